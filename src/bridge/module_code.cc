// Reading machine code for what it refers to, by capstone, one function at a time from its first byte to its
// last.
//
// Registers are followed within a straight run of code, just far enough to see three things: an address that is
// put together by two instructions (aarch64), a load from the global offset table, and a function's address
// that is stored into an imported variable, which is how a hook is installed. What is not understood loses the
// register's value, never a reference: at worst a hook is taken for an ordinary address. No code of the module
// is run.
#include "bridge/module_code.hpp"

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

namespace bgw {

namespace {

struct Capstone {
  decltype(&::cs_open) open = nullptr;
  decltype(&::cs_close) close = nullptr;
  decltype(&::cs_option) option = nullptr;
  decltype(&::cs_malloc) allocate = nullptr;
  decltype(&::cs_free) release = nullptr;
  decltype(&::cs_disasm_iter) next = nullptr;
  decltype(&::cs_regs_access) registers = nullptr;
};

template <class Function>
bool look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

// Linked like libpq: only when it is needed, so that a worker does not carry it.
Result<Capstone> load_capstone() {
  static std::optional<Capstone> loaded;
  if (loaded) return *loaded;
  void* library = ::dlopen(BGW_CAPSTONE_SONAME, RTLD_NOW | RTLD_LOCAL);
  Capstone functions;
  if (library == nullptr || !look_up(library, "cs_open", functions.open) ||
      !look_up(library, "cs_close", functions.close) || !look_up(library, "cs_option", functions.option) ||
      !look_up(library, "cs_malloc", functions.allocate) || !look_up(library, "cs_free", functions.release) ||
      !look_up(library, "cs_disasm_iter", functions.next) ||
      !look_up(library, "cs_regs_access", functions.registers)) {
    const char* reason = ::dlerror();
    return Error{.message = "could not load library \"" BGW_CAPSTONE_SONAME "\"",
                 .detail = reason ? reason : "unknown reason",
                 .hint = "Install the library, which reads modules' code."};
  }
  loaded = functions;
  return functions;
}

// What a register is known to hold.
struct Value {
  enum class Kind { unknown, page, address, variable } kind = Kind::unknown;
  std::uint64_t number = 0;   // page, address
  std::size_t reference = 0;  // address: which reference took it
  std::string symbol;         // variable: whose address it is
};

// The 64-bit register of which this is the whole or the lower half.
unsigned whole_x86(unsigned reg) {
  static constexpr std::array<std::array<unsigned, 2>, 16> halves = {{{X86_REG_EAX, X86_REG_RAX},
                                                                      {X86_REG_EBX, X86_REG_RBX},
                                                                      {X86_REG_ECX, X86_REG_RCX},
                                                                      {X86_REG_EDX, X86_REG_RDX},
                                                                      {X86_REG_ESI, X86_REG_RSI},
                                                                      {X86_REG_EDI, X86_REG_RDI},
                                                                      {X86_REG_EBP, X86_REG_RBP},
                                                                      {X86_REG_ESP, X86_REG_RSP},
                                                                      {X86_REG_R8D, X86_REG_R8},
                                                                      {X86_REG_R9D, X86_REG_R9},
                                                                      {X86_REG_R10D, X86_REG_R10},
                                                                      {X86_REG_R11D, X86_REG_R11},
                                                                      {X86_REG_R12D, X86_REG_R12},
                                                                      {X86_REG_R13D, X86_REG_R13},
                                                                      {X86_REG_R14D, X86_REG_R14},
                                                                      {X86_REG_R15D, X86_REG_R15}}};
  for (const auto& [half, whole] : halves)
    if (reg == half) return whole;
  return reg;
}

bool x86_survives_call(unsigned reg) {
  return reg == X86_REG_RBX || reg == X86_REG_RBP || (reg >= X86_REG_R12 && reg <= X86_REG_R15);
}

bool arm64_survives_call(unsigned reg) {
  return reg >= ARM64_REG_X19 && reg <= ARM64_REG_X28;
}

bool in_group(const cs_insn& instruction, unsigned group) {
  for (unsigned i = 0; i < instruction.detail->groups_count; i++)
    if (instruction.detail->groups[i] == group) return true;
  return false;
}

}  // namespace

struct CodeReader::State {
  const ElfFile* file;
  Capstone capstone;
  csh handle = 0;
  cs_insn* instruction = nullptr;
  bool x86;

  ~State() {
    if (instruction) capstone.release(instruction, 1);
    if (handle) capstone.close(&handle);
  }
};

namespace {

// One function's reading: what its registers hold and what has been found so far.
class Reading {
 public:
  Reading(const ElfFile& file, const Capstone& capstone, csh handle, std::uint64_t start, std::uint64_t end)
      : file_(file), capstone_(capstone), handle_(handle), start_(start), end_(end) {}

  FunctionCode take() {
    for (std::size_t i = 0; i < code_.references.size(); i++)
      if (used_otherwise_[i]) code_.references[i].stored_in.clear();
    return std::move(code_);
  }

  void x86(const cs_insn& instruction) {
    const cs_x86& detail = instruction.detail->x86;
    const bool leaves = in_group(instruction, CS_GRP_JUMP) || in_group(instruction, CS_GRP_CALL);
    // With the displacement from the next instruction, memory operands give the place.
    const auto place_of = [&](const cs_x86_op& operand) -> std::optional<std::uint64_t> {
      if (operand.type != X86_OP_MEM || operand.mem.base != X86_REG_RIP) return std::nullopt;
      return instruction.address + instruction.size + static_cast<std::uint64_t>(operand.mem.disp);
    };
    std::optional<Value> result;
    unsigned target = 0;
    for (unsigned i = 0; i < detail.op_count; i++) {
      const cs_x86_op& operand = detail.operands[i];
      if (operand.type == X86_OP_IMM) {
        if (leaves)
          branch_to(static_cast<std::uint64_t>(operand.imm));
        else if (instruction.id == X86_INS_MOV || instruction.id == X86_INS_MOVABS)
          add_constant(&operand.imm, operand.size);
      } else if (auto place = place_of(operand)) {
        if (instruction.id == X86_INS_LEA) {
          result = take_address(*place);
        } else {
          const bool is_store = i == 0 && instruction.id == X86_INS_MOV;
          if (!is_store) result = read_place(*place, operand.size);
        }
      }
    }
    if (instruction.id == X86_INS_MOV && detail.op_count == 2) {
      const cs_x86_op& to = detail.operands[0];
      const cs_x86_op& from = detail.operands[1];
      if (from.type == X86_OP_REG) {
        const Value value = held(whole_x86(from.reg));
        if (to.type == X86_OP_REG)
          result = value;
        else if (to.type == X86_OP_MEM && to.mem.index == X86_REG_INVALID && to.mem.disp == 0)
          store(value, held(whole_x86(to.mem.base)));
        else
          use(value);
      }
    }
    if (detail.op_count > 0 && detail.operands[0].type == X86_OP_REG)
      target = whole_x86(detail.operands[0].reg);
    const bool copies = instruction.id == X86_INS_MOV || instruction.id == X86_INS_LEA;
    after(instruction, result, copies ? target : 0, copies, whole_x86, x86_survives_call);
    if (instruction.id == X86_INS_JMP || in_group(instruction, CS_GRP_RET)) forget_all();
  }

  void arm64(const cs_insn& instruction) {
    const cs_arm64& detail = instruction.detail->arm64;
    const auto whole = [](unsigned reg) -> unsigned {
      return reg >= ARM64_REG_W0 && reg <= ARM64_REG_W28 ? ARM64_REG_X0 + (reg - ARM64_REG_W0) : reg;
    };
    std::optional<Value> result;
    bool copies = false;
    const unsigned first = detail.op_count > 0 && detail.operands[0].type == ARM64_OP_REG
                               ? whole(detail.operands[0].reg)
                               : static_cast<unsigned>(ARM64_REG_INVALID);
    const bool has_second = detail.op_count > 1;
    switch (instruction.id) {
      case ARM64_INS_B:
      case ARM64_INS_BL:
        if (detail.op_count > 0 && detail.operands[0].type == ARM64_OP_IMM)
          branch_to(static_cast<std::uint64_t>(detail.operands[0].imm));
        break;
      case ARM64_INS_ADRP:
        result = Value{.kind = Value::Kind::page,
                       .number = static_cast<std::uint64_t>(detail.operands[1].imm),
                       .reference = 0,
                       .symbol = {}};
        copies = true;
        break;
      case ARM64_INS_ADR:
        result = take_address(static_cast<std::uint64_t>(detail.operands[1].imm));
        copies = true;
        break;
      case ARM64_INS_ADD:
        if (detail.op_count == 3 && detail.operands[1].type == ARM64_OP_REG &&
            detail.operands[2].type == ARM64_OP_IMM) {
          const Value base = held(whole(detail.operands[1].reg));
          if (base.kind == Value::Kind::page) {
            result = take_address(base.number + static_cast<std::uint64_t>(detail.operands[2].imm));
            copies = true;
          }
        }
        break;
      case ARM64_INS_MOV:
        if (has_second && detail.operands[1].type == ARM64_OP_REG) {
          result = held(whole(detail.operands[1].reg));
          copies = true;
        }
        break;
      case ARM64_INS_LDR:
        if (has_second && detail.operands[1].type == ARM64_OP_MEM) {
          const Value base = held(whole(detail.operands[1].mem.base));
          if (base.kind == Value::Kind::page) {
            result =
                read_place(base.number + static_cast<std::uint64_t>(std::int64_t{detail.operands[1].mem.disp}),
                           first >= ARM64_REG_Q0 && first <= ARM64_REG_Q31 ? 16 : 8);
            copies = true;
          }
        }
        break;
      case ARM64_INS_STR:
        if (has_second && detail.operands[1].type == ARM64_OP_MEM) {
          const Value base = held(whole(detail.operands[1].mem.base));
          if (detail.operands[1].mem.disp == 0 && detail.operands[1].mem.index == ARM64_REG_INVALID)
            store(held(first), base);
          else
            use(held(first));
        }
        break;
      default:
        break;
    }
    const bool stores = instruction.id == ARM64_INS_STR;
    after(instruction, result, copies ? first : 0, copies || stores, whole, arm64_survives_call);
    if (instruction.id == ARM64_INS_B || in_group(instruction, CS_GRP_RET)) forget_all();
  }

 private:
  Value held(unsigned reg) const {
    auto found = registers_.find(reg);
    return found == registers_.end() ? Value() : found->second;
  }
  void use(const Value& value) {
    if (value.kind == Value::Kind::address) used_otherwise_[value.reference] = true;
  }
  void forget_all() {
    for (const auto& [reg, value] : registers_) use_if_never_stored(value);
    registers_.clear();
  }
  void use_if_never_stored(const Value& value) {
    if (value.kind == Value::Kind::address && code_.references[value.reference].stored_in.empty()) use(value);
  }
  void store(const Value& value, const Value& where) {
    if (value.kind != Value::Kind::address) return;
    std::string& stored_in = code_.references[value.reference].stored_in;
    if (where.kind != Value::Kind::variable || (!stored_in.empty() && stored_in != where.symbol))
      use(value);
    else
      stored_in = where.symbol;
  }
  std::size_t add(std::string symbol, std::uint64_t target) {
    code_.references.push_back({.symbol = std::move(symbol), .target = target, .stored_in = {}});
    used_otherwise_.push_back(false);
    return code_.references.size() - 1;
  }
  void add_constant(const void* bytes, std::size_t size) {
    if (size > 0 && size <= 64) code_.constants.emplace_back(static_cast<const char*>(bytes), size);
  }
  void branch_to(std::uint64_t target) {
    if (target < start_ || target >= end_) add("", target);
  }
  Value take_address(std::uint64_t place) {
    return {.kind = Value::Kind::address, .number = place, .reference = add("", place), .symbol = {}};
  }
  // A load from a place of the module: from the offset table a symbol's address, else data, perhaps a table of
  // pointers.
  std::optional<Value> read_place(std::uint64_t place, std::size_t size) {
    auto relocation = file_.relocations().find(place);
    if (relocation != file_.relocations().end() && !relocation->second.symbol.empty()) {
      const std::string& symbol = relocation->second.symbol;
      add(symbol, 0);
      return Value{.kind = Value::Kind::variable, .number = 0, .reference = 0, .symbol = symbol};
    }
    add("", place);
    if (const unsigned char* bytes = size >= 16 ? file_.bytes(place, size) : nullptr) add_constant(bytes, size);
    return std::nullopt;
  }

  // Brings the registers up to date: `target` holds `result`, whatever else was written is unknown. An address
  // that an instruction reads in any other way than by copying it or storing it is used.
  template <class Whole, class Survives>
  void after(const cs_insn& instruction, const std::optional<Value>& result, unsigned target, bool followed,
             Whole whole, Survives survives) {
    cs_regs read, written;
    std::uint8_t read_count = 0, written_count = 0;
    if (capstone_.registers(handle_, &instruction, read, &read_count, written, &written_count) != 0) {
      forget_all();
    } else {
      for (unsigned i = 0; !followed && i < read_count; i++) use(held(whole(read[i])));
      for (unsigned i = 0; i < written_count; i++) registers_.erase(whole(written[i]));
    }
    if (in_group(instruction, CS_GRP_CALL)) {
      for (auto it = registers_.begin(); it != registers_.end();) {
        if (survives(it->first)) {
          ++it;
          continue;
        }
        use_if_never_stored(it->second);  // perhaps an argument
        it = registers_.erase(it);
      }
    }
    if (result && target) registers_[target] = *result;
  }

  const ElfFile& file_;
  const Capstone& capstone_;
  csh handle_;
  std::uint64_t start_, end_;
  FunctionCode code_;
  std::vector<bool> used_otherwise_;  // by reference: its address goes elsewhere than into a variable
  std::map<unsigned, Value> registers_;
};

}  // namespace

CodeReader::CodeReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CodeReader::CodeReader(CodeReader&&) noexcept = default;
CodeReader::~CodeReader() = default;

Result<CodeReader> CodeReader::make(const ElfFile& file) {
  if (file.machine() != EM_X86_64 && file.machine() != EM_AARCH64)
    return Error{.message = "code of machine " + std::to_string(file.machine()) + " cannot be read"};
  auto capstone = load_capstone();
  if (!capstone) return capstone.error();
  auto state = std::make_unique<State>();
  state->file = &file;
  state->capstone = *capstone;
  state->x86 = file.machine() == EM_X86_64;
  const cs_err opened = state->x86 ? capstone->open(CS_ARCH_X86, CS_MODE_64, &state->handle)
                                   : capstone->open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &state->handle);
  if (opened != CS_ERR_OK || capstone->option(state->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK ||
      (state->instruction = capstone->allocate(state->handle)) == nullptr)
    return Error{.message = "library \"" BGW_CAPSTONE_SONAME "\" does not read this machine's code"};
  return CodeReader(std::move(state));
}

FunctionCode CodeReader::read(std::uint64_t start, std::uint64_t end) const {
  Reading reading(*state_->file, state_->capstone, state_->handle, start, end);
  const std::size_t length = end > start ? static_cast<std::size_t>(end - start) : 0;
  const unsigned char* bytes = state_->file->bytes(start, length);
  if (bytes == nullptr) return {};
  std::size_t left = length;
  std::uint64_t address = start;
  const std::size_t step = state_->x86 ? 1 : 4;
  while (left > 0) {
    if (state_->capstone.next(state_->handle, &bytes, &left, &address, state_->instruction)) {
      if (state_->x86)
        reading.x86(*state_->instruction);
      else
        reading.arm64(*state_->instruction);
    } else {
      const std::size_t skipped = std::min(step, left);
      bytes += skipped;
      left -= skipped;
      address += skipped;
    }
  }
  return reading.take();
}

std::string CodeReader::linkage_target(std::uint64_t address) const {
  const ElfSection* section = state_->file->section_of(address);
  if (section == nullptr || !section->name.starts_with(".plt")) return "";
  // An entry is at most 16 bytes long, on aarch64 up to 24 with branch protection.
  const std::uint64_t end = std::min(address + (state_->x86 ? 16 : 24), section->address + section->size);
  for (const CodeReference& reference : read(address, end).references)
    if (!reference.symbol.empty()) return reference.symbol;
  return "";
}

}  // namespace bgw
