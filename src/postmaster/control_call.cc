// Calling a module's version-1 function as `SELECT * FROM function(arguments)` would call it: in a transaction
// with a snapshot, with a call expression that tells the arguments' types, and with a ReturnSetInfo that takes
// a set in either mode. Each row is sent as soon as it is there; the reply, with what the columns are, after
// the commit.
//
// What is known of the function comes from the request, or, with a session, from the upstream's catalog. C
// style: all memory is in the transaction's contexts, so that an error at any place leaves nothing behind.
#include "postmaster/control_call.hpp"

#include <cstring>

#include "bridge/critical.hpp"
#include "bridge/user_types.hpp"
#include "core/conninfo.hpp"
#include "postmaster/control_connection.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"
}
#include "bridge/worker_session.hpp"
#include "postmaster/call_arguments.hpp"
#include "postmaster/upstream.hpp"
#include "utils/tuplestore_internal.hpp"

namespace bgw {

namespace {

struct Call {
  const char* module;
  const char* function;
  PassedArguments passed;
  CallDeclaration* declared;  // nullptr: not declared anywhere we know
  bool strict;
  CallResult result;
  FmgrInfo flinfo;
  ReturnSetInfo info;
  FunctionCallInfo fcinfo;
};

// A column of the answer, for the reply.
struct ColumnName {
  char* name;
  char* type;
};

struct Answer {
  MemoryContext context;  // of the names: they outlive the transaction
  int columns;            // 0: void, or a result that cannot be shown
  ColumnName* names;
  long long rows;
  bool set;
};

void send_row(const char* const* values, int count) noexcept {
  CriticalScope critical;
  try {
    nlohmann::json row = nlohmann::json::array();
    for (int i = 0; i < count; i++) {
      if (values[i])
        row.push_back(values[i]);
      else
        row.push_back(nullptr);
    }
    control_send({{"row", std::move(row)}});
  } catch (const std::exception&) {
    ClientConnectionLost = true;
    InterruptPending = true;
  }
}

void send_answer(const Answer* answer) noexcept {
  CriticalScope critical;
  try {
    nlohmann::json columns = nlohmann::json::array();
    for (int i = 0; i < answer->columns; i++)
      columns.push_back({{"name", answer->names[i].name}, {"type", answer->names[i].type}});
    control_send({{"ok", true}, {"columns", std::move(columns)}, {"rows", answer->rows}, {"set", answer->set}});
  } catch (const std::exception&) {
    ClientConnectionLost = true;
    InterruptPending = true;
  }
}

// --- the session
// ----------------------------------------------------------------------------------------------

// A session on the upstream, once per backend: `database` "" is the one that the connection string leads to.
void connect_if_wanted() {
  const char* database = control_text("database");
  if (database == nullptr) return;
  static char connected_to[NAMEDATALEN * 4] = "";
  char wanted[sizeof connected_to];
  if (*database != '\0')
    strlcpy(wanted, database, sizeof wanted);
  else
    conninfo_database(bgw_upstream_conninfo(), wanted, sizeof wanted);
  if (connected_to[0] != '\0') {
    if (strcmp(connected_to, wanted) != 0)
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("this connection has a session in database \"%s\" already", connected_to),
                      errhint("Use a new control connection for database \"%s\".", wanted)));
    return;
  }
  bgw_connect_worker(wanted, control_text("user"), InvalidOid, InvalidOid, 0);
  strlcpy(connected_to, wanted, sizeof connected_to);
  pgstat_bestart();
}

// --- what is called
// ---------------------------------------------------------------------------------------------

void describe_call(Call* call) {
  const int count = control_list_length("args");
  if (count > FUNC_MAX_ARGS)
    ereport(ERROR, (errcode(ERRCODE_TOO_MANY_ARGUMENTS),
                    errmsg("cannot pass more than %d arguments to a function", FUNC_MAX_ARGS)));
  auto* given = static_cast<CallArgument*>(palloc0(sizeof(CallArgument) * static_cast<Size>(count + 1)));
  for (int i = 0; i < count; i++) given[i] = read_call_argument(control_list_text("args", i));

  if (bgw_have_session()) call->declared = look_up_declaration(call->module, call->function, count, given);
  call->strict = control_flag("strict") || (call->declared != nullptr && call->declared->strict);
  call->passed = read_call_arguments(call->declared, given, count);
  call->result = call->passed.result;
  if (const char* returns = control_text("returns")) call->result = read_call_result(returns);
  if (call->result.row == nullptr && call->result.known && get_typtype(call->result.type) == TYPTYPE_COMPOSITE)
    call->result.row = learn_row_columns(call->result.type);
}

// What the parser would know of the call.
FuncExpr* call_expression(const Call* call) {
  List* args = NIL;
  Oid collation = InvalidOid;
  for (int i = 0; i < call->passed.count; i++) {
    const PassedArgument* argument = &call->passed.args[i];
    const TypeInfo* type = usable_type(argument->type);
    if (OidIsValid(type->typcollation)) collation = DEFAULT_COLLATION_OID;
    args = lappend(args, makeConst(argument->type, argument->typmod, type->typcollation, type->typlen,
                                   argument->value, argument->isnull, type->typbyval));
  }
  const Oid result = call->result.known ? call->result.type : InvalidOid;
  FuncExpr* expression =
      makeFuncExpr(call->declared ? call->declared->function : InvalidOid, result, args,
                   OidIsValid(result) ? get_typcollation(result) : InvalidOid, collation, COERCE_EXPLICIT_CALL);
  expression->funcretset = call->result.set;
  expression->funcvariadic = call->passed.variadic;
  return expression;
}

void prepare_call(Call* call, PGFunction function) {
  FuncExpr* expression = call_expression(call);
  call->flinfo.fn_addr = function;
  call->flinfo.fn_oid = expression->funcid;
  call->flinfo.fn_nargs = static_cast<short>(call->passed.count);
  call->flinfo.fn_strict = call->strict;
  call->flinfo.fn_retset = call->result.set;
  call->flinfo.fn_stats = TRACK_FUNC_ALL;
  call->flinfo.fn_mcxt = CurrentMemoryContext;
  call->flinfo.fn_expr = reinterpret_cast<Node*>(expression);

  ReturnSetInfo* info = &call->info;
  info->type = T_ReturnSetInfo;
  info->econtext = CreateStandaloneExprContext();
  info->allowedModes = SFRM_ValuePerCall | SFRM_Materialize | SFRM_Materialize_Preferred;
  if (call->result.row != nullptr)
    info->expectedDesc = BlessTupleDesc(CreateTupleDescCopy(call->result.row));
  else if (call->result.known && call->result.type != RECORDOID && call->result.type != VOIDOID) {
    // A set of scalars is a set of rows of one column.
    info->expectedDesc = CreateTemplateTupleDesc(1);
    TupleDescInitEntry(info->expectedDesc, 1, call->declared ? call->declared->name : call->function,
                       call->result.type, call->result.typmod, 0);
  }

  // Room for more arguments than are passed: a function that reads one too many finds NULL.
  call->fcinfo = static_cast<FunctionCallInfo>(palloc0(SizeForFunctionCallInfo(FUNC_MAX_ARGS)));
  InitFunctionCallInfoData(*call->fcinfo, &call->flinfo, static_cast<short>(call->passed.count),
                           expression->inputcollid, nullptr, reinterpret_cast<fmNodePtr>(info));
  for (int i = 0; i < FUNC_MAX_ARGS; i++) {
    call->fcinfo->args[i].value = i < call->passed.count ? call->passed.args[i].value : 0;
    call->fcinfo->args[i].isnull = i >= call->passed.count || call->passed.args[i].isnull;
  }
}

bool null_for_strict(const Call* call) {
  if (!call->strict) return false;
  for (int i = 0; i < call->passed.count; i++)
    if (call->passed.args[i].isnull) return true;
  return false;
}

// --- what comes back
// ----------------------------------------------------------------------------------------------

void name_columns(Answer* answer, TupleDesc desc) {
  if (answer->columns != 0 || desc == nullptr) return;
  MemoryContext caller = MemoryContextSwitchTo(answer->context);
  answer->names = static_cast<ColumnName*>(palloc(sizeof(ColumnName) * static_cast<Size>(desc->natts + 1)));
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    if (att->attisdropped) continue;
    usable_type(att->atttypid);
    answer->names[answer->columns++] = {pstrdup(NameStr(att->attname)),
                                        format_type_with_typemod(att->atttypid, att->atttypmod)};
  }
  MemoryContextSwitchTo(caller);
}

void send_tuple(Answer* answer, HeapTuple tuple, TupleDesc desc) {
  const Size count = static_cast<Size>(desc->natts);
  auto* values = static_cast<Datum*>(palloc(count * sizeof(Datum) + 1));
  auto* nulls = static_cast<bool*>(palloc(count * sizeof(bool) + 1));
  auto* texts = static_cast<char**>(palloc0(count * sizeof(char*) + 1));
  heap_deform_tuple(tuple, desc, values, nulls);
  int shown = 0;
  for (Size i = 0; i < count; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    if (att->attisdropped) continue;
    texts[shown++] = nulls[i] ? nullptr : type_to_text(usable_type(att->atttypid), values[i]);
  }
  send_row(texts, shown);
  answer->rows++;
  CHECK_FOR_INTERRUPTS();
}

void send_nulls(Answer* answer, int count) {
  auto* texts = static_cast<char**>(palloc0(static_cast<Size>(count) * sizeof(char*) + 1));
  send_row(texts, count);
  answer->rows++;
}

void check_row_type(TupleDesc returned, TupleDesc expected) {
  if (expected == nullptr) return;
  if (returned->natts != expected->natts)
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("function return row and query-specified return row do not match"),
             errdetail_plural("Returned row contains %d attribute, but query expects %d.",
                              "Returned row contains %d attributes, but query expects %d.",
                              static_cast<unsigned long>(returned->natts), returned->natts, expected->natts)));
  for (int i = 0; i < expected->natts; i++) {
    if (TupleDescAttr(expected, i)->attisdropped) continue;
    const Oid got = TupleDescAttr(returned, i)->atttypid;
    const Oid wanted = TupleDescAttr(expected, i)->atttypid;
    if (got != wanted)
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("function return row and query-specified return row do not match"),
                      errdetail("Returned type %s at ordinal position %d, but query expects %s.",
                                format_type_be(got), i + 1, format_type_be(wanted))));
  }
}

// A value of the declared type; a composite one becomes its columns.
void send_value(Call* call, Answer* answer, Datum value, bool isnull) {
  if (!call->result.known || call->result.type == VOIDOID) return;
  TupleDesc expected = call->info.expectedDesc;
  if (call->result.type != RECORDOID && call->result.row == nullptr) {
    name_columns(answer, expected);
    const char* text = isnull ? nullptr : type_to_text(usable_type(call->result.type), value);
    send_row(&text, 1);
    answer->rows++;
    CHECK_FOR_INTERRUPTS();
    return;
  }
  if (isnull) {
    name_columns(answer, expected);
    send_nulls(answer, expected ? answer->columns : 1);
    return;
  }
  HeapTupleHeader header = DatumGetHeapTupleHeader(value);
  TupleDesc desc = lookup_rowtype_tupdesc_noerror(HeapTupleHeaderGetTypeId(header),
                                                  HeapTupleHeaderGetTypMod(header), expected != nullptr);
  if (desc != nullptr) {
    check_row_type(desc, expected);
    ReleaseTupleDesc(desc);  // the registry keeps it
  } else {
    desc = expected;
  }
  name_columns(answer, expected ? expected : desc);
  HeapTupleData tuple = {};
  tuple.t_len = HeapTupleHeaderGetDatumLength(header);
  ItemPointerSetInvalid(&tuple.t_self);
  tuple.t_data = header;
  send_tuple(answer, &tuple, desc);
}

void send_set(Call* call, Answer* answer) {
  ReturnSetInfo* info = &call->info;
  if (info->isDone != ExprSingleResult)
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_SRF_PROTOCOL_VIOLATED),
                    errmsg("table-function protocol for materialize mode was not followed")));
  TupleDesc desc = info->setDesc ? info->setDesc : info->expectedDesc;
  if (info->setDesc != nullptr) check_row_type(info->setDesc, info->expectedDesc);
  name_columns(answer, info->expectedDesc ? info->expectedDesc : desc);
  if (info->setResult == nullptr) return;  // an empty set
  if (desc == nullptr)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("the columns of the set are not known"),
                    errhint("Give them: --returns 'TABLE(NAME TYPE, ...)'.")));
  tuplestore_rescan(info->setResult);
  while (MinimalTuple minimal = tuplestore_next(info->setResult)) {
    MemoryContextReset(info->econtext->ecxt_per_tuple_memory);
    send_tuple(answer, heap_tuple_from_minimal_tuple(minimal), desc);
  }
}

// Calls until there is no more. In the per-tuple context, whose content goes with each call.
void call_and_send(Call* call, Answer* answer) {
  ReturnSetInfo* info = &call->info;
  const bool asked_for_set = call->result.set;
  for (bool first = true;; first = false) {
    ResetExprContext(info->econtext);
    call->fcinfo->isnull = false;
    info->isDone = ExprSingleResult;
    info->returnMode = SFRM_ValuePerCall;
    const Datum value = FunctionCallInvoke(call->fcinfo);
    if (info->returnMode == SFRM_Materialize) {
      if (!first)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_SRF_PROTOCOL_VIOLATED),
                        errmsg("table-function protocol for materialize mode was not followed")));
      answer->set = true;
      send_set(call, answer);
      return;
    }
    if (info->returnMode != SFRM_ValuePerCall)
      ereport(ERROR,
              (errcode(ERRCODE_E_R_I_E_SRF_PROTOCOL_VIOLATED),
               errmsg("unrecognized table-function returnMode: %d", static_cast<int>(info->returnMode))));
    if (info->isDone == ExprEndResult) {
      answer->set = true;
      break;
    }
    if (info->isDone == ExprMultipleResult && call->result.known && !asked_for_set)
      ereport(ERROR,
              (errcode(ERRCODE_E_R_I_E_SRF_PROTOCOL_VIOLATED),
               errmsg("function \"%s\" returned a set, but is declared to return one value", call->function),
               errhint("Give its result as --returns 'SETOF TYPE' or 'TABLE(NAME TYPE, ...)'.")));
    send_value(call, answer, value, call->fcinfo->isnull);
    if (info->isDone != ExprMultipleResult) break;
    answer->set = true;
    CHECK_FOR_INTERRUPTS();
  }
  name_columns(answer, info->expectedDesc);
}

const char* required(const char* name) {
  const char* text = control_text(name);
  if (text == nullptr || *text == '\0')
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no %s is given", name)));
  return pstrdup(text);
}

char* activity_text(const char* module, const char* function) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "call %s %s", module, function);
  for (int i = 0; i < control_list_length("args"); i++) {
    const char* argument = control_list_text("args", i);
    appendStringInfo(&text, " %s", argument ? argument : "NULL");
  }
  return text.data;
}

}  // namespace

void control_call() {
  Call* call = static_cast<Call*>(palloc0(sizeof(Call)));
  call->module = required("module");
  call->function = required("function");
  debug_query_string = activity_text(call->module, call->function);
  pgstat_report_activity(STATE_RUNNING, debug_query_string);
  MemoryContext request_context = CurrentMemoryContext;
  connect_if_wanted();

  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  void* library;
  auto function =
      reinterpret_cast<PGFunction>(load_external_function(call->module, call->function, true, &library));
  (void)fetch_finfo_record(library, call->function);
  describe_call(call);
  prepare_call(call, function);

  auto* answer = static_cast<Answer*>(MemoryContextAllocZero(request_context, sizeof(Answer)));
  answer->context = request_context;
  answer->set = call->result.set;
  MemoryContextSwitchTo(call->info.econtext->ecxt_per_tuple_memory);
  if (!null_for_strict(call))
    call_and_send(call, answer);
  else if (!call->result.set)
    send_value(call, answer, 0, true);
  name_columns(answer, call->info.expectedDesc);
  if (!call->result.known && answer->columns == 0)
    ereport(NOTICE,
            (errmsg("the result of \"%s\" is not shown, because its type is not known", call->function),
             errhint("Give the type with --returns, or with --database a database in which the function is "
                     "declared.")));
  MemoryContextSwitchTo(CurTransactionContext);
  FreeExprContext(call->info.econtext, true);
  PopActiveSnapshot();
  CommitTransactionCommand();
  MemoryContextSwitchTo(request_context);
  debug_query_string = nullptr;
  pgstat_report_activity(STATE_IDLE, nullptr);
  send_answer(answer);
}

}  // namespace bgw
