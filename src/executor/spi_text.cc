// Texts as SPI gets them: reading them into statements, and remembering recently read ones. The cache is
// emptied when it is full; what callers get is a copy in their own memory.
#include <string>
#include <unordered_map>

#include "core/session.hpp"
#include "core/statement.hpp"

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

#include "bridge/critical.hpp"
#include "executor/spi_internal.hpp"

namespace {

constexpr std::size_t cache_limit = 256;
constexpr std::size_t longest_cached = 16 * 1024;

// Lives until the next call.
const bgw::ParsedText& read_text(const char* source) noexcept {
  bgw::CriticalScope critical;
  static std::unordered_map<std::string, bgw::ParsedText> cache;
  static bgw::ParsedText uncached;
  std::string text(source);
  if (auto it = cache.find(text); it != cache.end()) return it->second;
  bgw::ParsedText parsed = bgw::parse_statements(text);
  if (!parsed.understood) parsed = bgw::split_unknown(text);
  if (text.size() > longest_cached) {
    uncached = std::move(parsed);
    return uncached;
  }
  if (cache.size() >= cache_limit) cache.clear();
  return cache.emplace(std::move(text), std::move(parsed)).first->second;
}

}  // namespace

SpiText* spi_read_text(const char* source) {
  const bgw::ParsedText& parsed = read_text(source);
  SpiText* text = static_cast<SpiText*>(palloc0(sizeof(SpiText)));
  text->source = pstrdup(source);
  text->understood = parsed.understood;
  text->count = static_cast<int>(parsed.statements.size());
  text->statements = static_cast<SpiStatement*>(palloc0(sizeof(SpiStatement) * (parsed.statements.size() + 1)));
  for (int i = 0; i < text->count; ++i) {
    const bgw::Statement& from = parsed.statements[static_cast<std::size_t>(i)];
    SpiStatement* to = &text->statements[i];
    to->kind = from.kind;
    to->text = pstrdup(from.text.c_str());
    to->offset = static_cast<int>(from.offset);
    to->tag = pstrdup(from.tag.c_str());
    to->returning = from.returning;
    to->read_only = from.read_only;
    to->cursor_ok = from.cursor_ok;
    to->may_need_binary = from.may_need_binary;
    to->needs_snapshot = from.needs_snapshot;
    to->drops_prepared = from.drops_prepared;
    to->changes_names = from.changes_names || from.kind == bgw::StatementKind::unknown;
    to->analyzed_at_prepare = from.analyzed_at_prepare;
    to->is_set = from.is_explicit_set;
    to->set_name = from.set_name.empty() ? nullptr : pstrdup(from.set_name.c_str());
    to->setting = from.setting;
    to->set_value = from.set_value_known ? pstrdup(from.set_value.c_str()) : nullptr;
    to->set_local = from.set_local;
    const bgw::Characteristics& said = from.characteristics;
    to->isolation = said.isolation.empty() ? nullptr : pstrdup(said.isolation.c_str());
    to->read_only_said = said.read_only ? static_cast<signed char>(*said.read_only) : -1;
    to->deferrable_said = said.deferrable ? static_cast<signed char>(*said.deferrable) : -1;
    to->cursor_name = from.cursor_name.empty() ? nullptr : pstrdup(from.cursor_name.c_str());
    to->closes_cursor = from.closes_cursor;
    to->outside_block = from.outside_block.empty() ? nullptr : pstrdup(from.outside_block.c_str());
    to->max_param = from.max_param;
    to->max_param_at = from.max_param_at;
  }
  return text;
}
