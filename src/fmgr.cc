// Calling functions through the server's function-call interface (fmgr.h).
//
// Functions are called directly, or by the OID of a built-in function (utils/fmgrtab.h). Functions written in
// SQL or a procedural language exist in the upstream only: naming one here is an error that says so. All of it
// is C style: a called function may raise an error through any frame of this file.
#include <dlfcn.h>

#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/detoast.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "pgstat.h"
#include "utils/fmgrtab.h"
#include "utils/lsyscache.h"
}

extern "C" {
needs_fmgr_hook_type needs_fmgr_hook = nullptr;
fmgr_hook_type fmgr_hook = nullptr;
}

namespace {

// A call frame for N arguments.
template <int N>
struct Frame {
  alignas(FunctionCallInfoBaseData) char bytes[SizeForFunctionCallInfo(N)];
  FunctionCallInfo get() { return reinterpret_cast<FunctionCallInfo>(bytes); }
};

template <class... Args>
inline FunctionCallInfo fill_frame(Frame<sizeof...(Args)>* frame, FmgrInfo* flinfo, Oid collation,
                                   Args... args) {
  FunctionCallInfo call = frame->get();
  InitFunctionCallInfoData(*call, flinfo, sizeof...(Args), collation, nullptr, nullptr);
  int i = 0;
  ((call->args[i].value = args, call->args[i].isnull = false, i++), ...);
  (void)i;
  return call;
}

template <class... Args>
Datum call_directly(PGFunction function, FmgrInfo* flinfo, Oid collation, Args... args) {
  Frame<sizeof...(Args)> frame;
  FunctionCallInfo call = fill_frame(&frame, flinfo, collation, args...);
  const Datum result = function(call);
  if (call->isnull) elog(ERROR, "function %p returned NULL", reinterpret_cast<void*>(function));
  return result;
}

template <class... Args>
Datum call_found(FmgrInfo* flinfo, Oid collation, Args... args) {
  Frame<sizeof...(Args)> frame;
  FunctionCallInfo call = fill_frame(&frame, flinfo, collation, args...);
  const Datum result = FunctionCallInvoke(call);
  if (call->isnull) elog(ERROR, "function %u returned NULL", flinfo->fn_oid);
  return result;
}

template <class... Args>
Datum call_by_oid(Oid function, Oid collation, Args... args) {
  FmgrInfo flinfo;
  fmgr_info(function, &flinfo);
  return call_found(&flinfo, collation, args...);
}

const FmgrBuiltin* find_builtin(Oid oid) {
  int low = 0, high = fmgr_nbuiltins;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (fmgr_builtins[middle].foid < oid)
      low = middle + 1;
    else
      high = middle;
  }
  return low < fmgr_nbuiltins && fmgr_builtins[low].foid == oid ? &fmgr_builtins[low] : nullptr;
}

// Calls a function whose first argument is a pointer, perhaps to nothing (which the function sees as such, not as NULL), and
// whose other two are a type's parameters.
Datum call_reader(FmgrInfo* flinfo, Datum source, Oid typioparam, int32 typmod, bool* isnull) {
  Frame<3> frame;
  FunctionCallInfo call =
      fill_frame(&frame, flinfo, InvalidOid, source, ObjectIdGetDatum(typioparam), Int32GetDatum(typmod));
  const Datum result = FunctionCallInvoke(call);
  *isnull = call->isnull;
  return result;
}

}  // namespace

extern "C" {

void fmgr_info(Oid functionId, FmgrInfo* finfo) {
  fmgr_info_cxt(functionId, finfo, CurrentMemoryContext);
}

void fmgr_info_cxt(Oid functionId, FmgrInfo* finfo, MemoryContext mcxt) {
  // fn_oid is set last: a struct with InvalidOid is not usable.
  memset(finfo, 0, sizeof(*finfo));
  const FmgrBuiltin* builtin = find_builtin(functionId);
  if (builtin == nullptr)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("function with OID %u is not available outside the server", functionId)));
  finfo->fn_addr = builtin->func;
  finfo->fn_nargs = builtin->nargs;
  finfo->fn_strict = builtin->strict;
  finfo->fn_retset = builtin->retset;
  finfo->fn_stats = TRACK_FUNC_ALL;
  finfo->fn_mcxt = mcxt;
  finfo->fn_oid = functionId;
}

void fmgr_info_copy(FmgrInfo* dstinfo, FmgrInfo* srcinfo, MemoryContext destcxt) {
  *dstinfo = *srcinfo;
  dstinfo->fn_mcxt = destcxt;
  dstinfo->fn_extra = nullptr;
}

Oid fmgr_internal_function(const char* proname) {
  for (int i = 0; i < fmgr_nbuiltins; i++)
    if (strcmp(fmgr_builtins[i].funcName, proname) == 0) return fmgr_builtins[i].foid;
  return InvalidOid;
}

const Pg_finfo_record* fetch_finfo_record(void* filehandle, const char* funcname) {
  char* name = psprintf("pg_finfo_%s", funcname);
  PGFInfoFunction function = reinterpret_cast<PGFInfoFunction>(dlsym(filehandle, name));
  if (function == nullptr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("could not find function information for function \"%s\"", funcname),
                    errhint("SQL-callable functions need an accompanying PG_FUNCTION_INFO_V1(funcname).")));
  const Pg_finfo_record* record = function();
  if (record == nullptr) elog(ERROR, "null result from info function \"%s\"", name);
  if (record->api_version != 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("unrecognized API version %d reported by info function \"%s\"", record->api_version,
                           name)));
  pfree(name);
  return record;
}

Datum DirectFunctionCall1Coll(PGFunction func, Oid collation, Datum arg1) {
  return call_directly(func, nullptr, collation, arg1);
}

Datum DirectFunctionCall2Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2) {
  return call_directly(func, nullptr, collation, arg1, arg2);
}

Datum DirectFunctionCall3Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3);
}

Datum DirectFunctionCall4Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4);
}

Datum DirectFunctionCall5Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                              Datum arg5) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4, arg5);
}

Datum DirectFunctionCall6Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                              Datum arg5, Datum arg6) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4, arg5, arg6);
}

Datum DirectFunctionCall7Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                              Datum arg5, Datum arg6, Datum arg7) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7);
}

Datum DirectFunctionCall8Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                              Datum arg5, Datum arg6, Datum arg7, Datum arg8) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8);
}

Datum DirectFunctionCall9Coll(PGFunction func, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                              Datum arg5, Datum arg6, Datum arg7, Datum arg8, Datum arg9) {
  return call_directly(func, nullptr, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9);
}

Datum CallerFInfoFunctionCall1(PGFunction func, FmgrInfo* flinfo, Oid collation, Datum arg1) {
  return call_directly(func, flinfo, collation, arg1);
}

Datum CallerFInfoFunctionCall2(PGFunction func, FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2) {
  return call_directly(func, flinfo, collation, arg1, arg2);
}

Datum FunctionCall0Coll(FmgrInfo* flinfo, Oid collation) {
  return call_found(flinfo, collation);
}

Datum FunctionCall1Coll(FmgrInfo* flinfo, Oid collation, Datum arg1) {
  return call_found(flinfo, collation, arg1);
}

Datum FunctionCall2Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2) {
  return call_found(flinfo, collation, arg1, arg2);
}

Datum FunctionCall3Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3) {
  return call_found(flinfo, collation, arg1, arg2, arg3);
}

Datum FunctionCall4Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4);
}

Datum FunctionCall5Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                        Datum arg5) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4, arg5);
}

Datum FunctionCall6Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                        Datum arg5, Datum arg6) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4, arg5, arg6);
}

Datum FunctionCall7Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                        Datum arg5, Datum arg6, Datum arg7) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7);
}

Datum FunctionCall8Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                        Datum arg5, Datum arg6, Datum arg7, Datum arg8) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8);
}

Datum FunctionCall9Coll(FmgrInfo* flinfo, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                        Datum arg5, Datum arg6, Datum arg7, Datum arg8, Datum arg9) {
  return call_found(flinfo, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9);
}

Datum OidFunctionCall0Coll(Oid functionId, Oid collation) {
  return call_by_oid(functionId, collation);
}

Datum OidFunctionCall1Coll(Oid functionId, Oid collation, Datum arg1) {
  return call_by_oid(functionId, collation, arg1);
}

Datum OidFunctionCall2Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2) {
  return call_by_oid(functionId, collation, arg1, arg2);
}

Datum OidFunctionCall3Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3);
}

Datum OidFunctionCall4Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4);
}

Datum OidFunctionCall5Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                           Datum arg5) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4, arg5);
}

Datum OidFunctionCall6Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                           Datum arg5, Datum arg6) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4, arg5, arg6);
}

Datum OidFunctionCall7Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                           Datum arg5, Datum arg6, Datum arg7) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7);
}

Datum OidFunctionCall8Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                           Datum arg5, Datum arg6, Datum arg7, Datum arg8) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8);
}

Datum OidFunctionCall9Coll(Oid functionId, Oid collation, Datum arg1, Datum arg2, Datum arg3, Datum arg4,
                           Datum arg5, Datum arg6, Datum arg7, Datum arg8, Datum arg9) {
  return call_by_oid(functionId, collation, arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9);
}

Datum InputFunctionCall(FmgrInfo* flinfo, char* str, Oid typioparam, int32 typmod) {
  if (str == nullptr && flinfo->fn_strict) return 0;
  bool isnull;
  const Datum result = call_reader(flinfo, CStringGetDatum(str), typioparam, typmod, &isnull);
  if (str == nullptr && !isnull) elog(ERROR, "input function %u returned non-NULL", flinfo->fn_oid);
  if (str != nullptr && isnull) elog(ERROR, "input function %u returned NULL", flinfo->fn_oid);
  return result;
}

char* OutputFunctionCall(FmgrInfo* flinfo, Datum val) {
  return DatumGetCString(FunctionCall1(flinfo, val));
}

Datum ReceiveFunctionCall(FmgrInfo* flinfo, StringInfo buf, Oid typioparam, int32 typmod) {
  if (buf == nullptr && flinfo->fn_strict) return 0;
  bool isnull;
  const Datum result = call_reader(flinfo, PointerGetDatum(buf), typioparam, typmod, &isnull);
  if (buf == nullptr && !isnull) elog(ERROR, "receive function %u returned non-NULL", flinfo->fn_oid);
  if (buf != nullptr && isnull) elog(ERROR, "receive function %u returned NULL", flinfo->fn_oid);
  return result;
}

bytea* SendFunctionCall(FmgrInfo* flinfo, Datum val) {
  return DatumGetByteaP(FunctionCall1(flinfo, val));
}

Datum OidInputFunctionCall(Oid functionId, char* str, Oid typioparam, int32 typmod) {
  FmgrInfo flinfo;
  fmgr_info(functionId, &flinfo);
  return InputFunctionCall(&flinfo, str, typioparam, typmod);
}

char* OidOutputFunctionCall(Oid functionId, Datum val) {
  FmgrInfo flinfo;
  fmgr_info(functionId, &flinfo);
  return OutputFunctionCall(&flinfo, val);
}

Datum OidReceiveFunctionCall(Oid functionId, StringInfo buf, Oid typioparam, int32 typmod) {
  FmgrInfo flinfo;
  fmgr_info(functionId, &flinfo);
  return ReceiveFunctionCall(&flinfo, buf, typioparam, typmod);
}

bytea* OidSendFunctionCall(Oid functionId, Datum val) {
  FmgrInfo flinfo;
  fmgr_info(functionId, &flinfo);
  return SendFunctionCall(&flinfo, val);
}

struct varlena* pg_detoast_datum(struct varlena* datum) {
  return VARATT_IS_EXTENDED(datum) ? detoast_attr(datum) : datum;
}

struct varlena* pg_detoast_datum_copy(struct varlena* datum) {
  if (VARATT_IS_EXTENDED(datum)) return detoast_attr(datum);
  const Size len = VARSIZE(datum);
  struct varlena* copy = static_cast<struct varlena*>(palloc(len));
  memcpy(copy, datum, len);
  return copy;
}

struct varlena* pg_detoast_datum_slice(struct varlena* datum, int32 first, int32 count) {
  return detoast_attr_slice(datum, first, count);
}

struct varlena* pg_detoast_datum_packed(struct varlena* datum) {
  return VARATT_IS_COMPRESSED(datum) || VARATT_IS_EXTERNAL(datum) ? detoast_attr(datum) : datum;
}

// What the parser knew of a call. Calls made here have no expression unless a caller sets one.

Oid get_fn_expr_rettype(FmgrInfo* flinfo) {
  if (flinfo == nullptr || flinfo->fn_expr == nullptr) return InvalidOid;
  return exprType(flinfo->fn_expr);
}

Oid get_fn_expr_argtype(FmgrInfo* flinfo, int argnum) {
  if (flinfo == nullptr || flinfo->fn_expr == nullptr) return InvalidOid;
  return get_call_expr_argtype(flinfo->fn_expr, argnum);
}

static List* call_arguments(Node* expr) {
  if (expr == nullptr) return NIL;
  if (IsA(expr, FuncExpr)) return reinterpret_cast<FuncExpr*>(expr)->args;
  if (IsA(expr, OpExpr)) return reinterpret_cast<OpExpr*>(expr)->args;
  return NIL;
}

Oid get_call_expr_argtype(Node* expr, int argnum) {
  List* args = call_arguments(expr);
  if (argnum < 0 || argnum >= list_length(args)) return InvalidOid;
  return exprType(static_cast<Node*>(list_nth(args, argnum)));
}

bool get_fn_expr_arg_stable(FmgrInfo* flinfo, int argnum) {
  if (flinfo == nullptr || flinfo->fn_expr == nullptr) return false;
  return get_call_expr_arg_stable(flinfo->fn_expr, argnum);
}

bool get_call_expr_arg_stable(Node* expr, int argnum) {
  List* args = call_arguments(expr);
  if (argnum < 0 || argnum >= list_length(args)) return false;
  return IsA(static_cast<Node*>(list_nth(args, argnum)), Const);
}

bool get_fn_expr_variadic(FmgrInfo* flinfo) {
  if (flinfo == nullptr || flinfo->fn_expr == nullptr || !IsA(flinfo->fn_expr, FuncExpr)) return false;
  return reinterpret_cast<FuncExpr*>(flinfo->fn_expr)->funcvariadic;
}

bool has_fn_opclass_options(FmgrInfo* flinfo) {
  return false;
}

bytea* get_fn_opclass_options(FmgrInfo* flinfo) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("operator class options info is absent in function call context")));
  pg_unreachable();
}

}  // extern "C"
