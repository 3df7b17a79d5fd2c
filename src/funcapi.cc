// Functions that return rows and sets (funcapi.h): making composite values, what a function's result is
// declared to be, and the two ways of returning a set.
//
// A function is called in this process through `bgworkerctl call` or by module code itself. What it returns is
// known from its call expression (FmgrInfo.fn_expr) and from ReturnSetInfo.expectedDesc; of the catalogs only
// the columns of a named row type are read. All of it is C style.
extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
}

namespace {

ReturnSetInfo* set_info(FunctionCallInfo fcinfo) {
  Node* info = reinterpret_cast<Node*>(fcinfo->resultinfo);
  return info != nullptr && IsA(info, ReturnSetInfo) ? reinterpret_cast<ReturnSetInfo*>(info) : nullptr;
}

// When the query ends before the function has returned its last row.
void shutdown_MultiFuncCall(Datum arg) {
  auto* flinfo = reinterpret_cast<FmgrInfo*>(DatumGetPointer(arg));
  auto* funcctx = static_cast<FuncCallContext*>(flinfo->fn_extra);
  flinfo->fn_extra = nullptr;
  MemoryContextDelete(funcctx->multi_call_memory_ctx);
}

TypeFuncClass class_of(Oid type) {
  if (type == RECORDOID) return TYPEFUNC_RECORD;
  if (type == VOIDOID || type == CSTRINGOID) return TYPEFUNC_SCALAR;
  switch (get_typtype(type)) {
    case TYPTYPE_COMPOSITE:
      return TYPEFUNC_COMPOSITE;
    case TYPTYPE_DOMAIN:
      return get_typtype(getBaseType(type)) == TYPTYPE_COMPOSITE ? TYPEFUNC_COMPOSITE_DOMAIN : TYPEFUNC_SCALAR;
    case TYPTYPE_PSEUDO:
      return TYPEFUNC_OTHER;
    default:
      return TYPEFUNC_SCALAR;
  }
}

// `expected` are the columns that the caller wants of a function that returns records; nullptr: unknown.
TypeFuncClass result_type(Node* expr, TupleDesc expected, Oid* type, TupleDesc* desc) {
  const Oid declared = exprType(expr);
  if (type) *type = declared;
  if (desc) *desc = nullptr;
  if (!OidIsValid(declared)) return expected ? TYPEFUNC_RECORD : TYPEFUNC_OTHER;
  TypeFuncClass type_class = class_of(declared);
  if ((type_class == TYPEFUNC_RECORD || type_class == TYPEFUNC_COMPOSITE) && expected) {
    if (desc) *desc = expected;
    return TYPEFUNC_COMPOSITE;
  }
  if (type_class != TYPEFUNC_COMPOSITE && type_class != TYPEFUNC_COMPOSITE_DOMAIN) return type_class;
  if (desc) *desc = lookup_rowtype_tupdesc_copy(getBaseType(declared), -1);
  return type_class;
}

}  // namespace

extern "C" {

TupleDesc BlessTupleDesc(TupleDesc tupdesc) {
  if (tupdesc->tdtypeid == RECORDOID && tupdesc->tdtypmod < 0) assign_record_type_typmod(tupdesc);
  return tupdesc;
}

AttInMetadata* TupleDescGetAttInMetadata(TupleDesc tupdesc) {
  const Size natts = static_cast<Size>(tupdesc->natts);
  AttInMetadata* meta = static_cast<AttInMetadata*>(palloc(sizeof(AttInMetadata)));
  meta->tupdesc = BlessTupleDesc(tupdesc);
  meta->attinfuncs = static_cast<FmgrInfo*>(palloc0(natts * sizeof(FmgrInfo) + 1));
  meta->attioparams = static_cast<Oid*>(palloc0(natts * sizeof(Oid) + 1));
  meta->atttypmods = static_cast<int32*>(palloc0(natts * sizeof(int32) + 1));
  for (Size i = 0; i < natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(tupdesc, i);
    if (att->attisdropped) continue;
    Oid input;
    getTypeInputInfo(att->atttypid, &input, &meta->attioparams[i]);
    fmgr_info(input, &meta->attinfuncs[i]);
    meta->atttypmods[i] = att->atttypmod;
  }
  return meta;
}

HeapTuple BuildTupleFromCStrings(AttInMetadata* attinmeta, char** values) {
  TupleDesc desc = attinmeta->tupdesc;
  const Size natts = static_cast<Size>(desc->natts);
  Datum* datums = static_cast<Datum*>(palloc0(natts * sizeof(Datum) + 1));
  bool* isnull = static_cast<bool*>(palloc0(natts * sizeof(bool) + 1));
  for (Size i = 0; i < natts; i++) {
    isnull[i] = true;
    if (TupleDescAttr(desc, i)->attisdropped) continue;
    // Also for NULL: the type may forbid it.
    datums[i] = InputFunctionCall(&attinmeta->attinfuncs[i], values[i], attinmeta->attioparams[i],
                                  attinmeta->atttypmods[i]);
    isnull[i] = values[i] == nullptr;
  }
  HeapTuple tuple = heap_form_tuple(desc, datums, isnull);
  pfree(datums);
  pfree(isnull);
  return tuple;
}

Datum HeapTupleHeaderGetDatum(HeapTupleHeader tuple) {
  if (HeapTupleHeaderHasExternal(tuple))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values stored out of line are not available outside the server")));
  return PointerGetDatum(tuple);
}

TypeFuncClass get_call_result_type(FunctionCallInfo fcinfo, Oid* resultTypeId, TupleDesc* resultTupleDesc) {
  ReturnSetInfo* info = set_info(fcinfo);
  return result_type(fcinfo->flinfo ? fcinfo->flinfo->fn_expr : nullptr, info ? info->expectedDesc : nullptr,
                     resultTypeId, resultTupleDesc);
}

TypeFuncClass get_expr_result_type(Node* expr, Oid* resultTypeId, TupleDesc* resultTupleDesc) {
  return result_type(expr, nullptr, resultTypeId, resultTupleDesc);
}

TupleDesc get_expr_result_tupdesc(Node* expr, bool noError) {
  TupleDesc desc;
  if (get_expr_result_type(expr, nullptr, &desc) == TYPEFUNC_COMPOSITE) return desc;
  if (!noError)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("type %s is not composite", format_type_be(exprType(expr)))));
  return nullptr;
}

// --- one row per call ---------------------------------------------------------------------------------------

FuncCallContext* init_MultiFuncCall(PG_FUNCTION_ARGS) {
  ReturnSetInfo* info = set_info(fcinfo);
  if (info == nullptr)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("set-valued function called in context that cannot accept a set")));
  if (fcinfo->flinfo->fn_extra != nullptr) elog(ERROR, "init_MultiFuncCall cannot be called more than once");

  MemoryContext context =
      AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "SRF multi-call context", ALLOCSET_SMALL_SIZES);
  auto* funcctx = static_cast<FuncCallContext*>(MemoryContextAllocZero(context, sizeof(FuncCallContext)));
  funcctx->multi_call_memory_ctx = context;
  fcinfo->flinfo->fn_extra = funcctx;
  RegisterExprContextCallback(info->econtext, shutdown_MultiFuncCall, PointerGetDatum(fcinfo->flinfo));
  return funcctx;
}

FuncCallContext* per_MultiFuncCall(PG_FUNCTION_ARGS) {
  return static_cast<FuncCallContext*>(fcinfo->flinfo->fn_extra);
}

void end_MultiFuncCall(PG_FUNCTION_ARGS, FuncCallContext* funcctx) {
  ReturnSetInfo* info = set_info(fcinfo);
  UnregisterExprContextCallback(info->econtext, shutdown_MultiFuncCall, PointerGetDatum(fcinfo->flinfo));
  shutdown_MultiFuncCall(PointerGetDatum(fcinfo->flinfo));
}

// --- all rows in one call -----------------------------------------------------------------------------------

void InitMaterializedSRF(FunctionCallInfo fcinfo, bits32 flags) {
  ReturnSetInfo* info = set_info(fcinfo);
  if (info == nullptr)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("set-valued function called in context that cannot accept a set")));
  if (!(info->allowedModes & SFRM_Materialize) ||
      ((flags & MAT_SRF_USE_EXPECTED_DESC) != 0 && info->expectedDesc == nullptr))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("materialize mode required, but it is not allowed in this context")));

  // The set lives as long as the query.
  MemoryContext caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
  TupleDesc desc;
  if (flags & MAT_SRF_USE_EXPECTED_DESC) {
    desc = CreateTupleDescCopy(info->expectedDesc);
  } else {
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE)
      elog(ERROR, "return type must be a row type");
    desc = CreateTupleDescCopy(desc);
  }
  if (flags & MAT_SRF_BLESS) BlessTupleDesc(desc);
  info->setResult = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
  info->setDesc = desc;
  info->returnMode = SFRM_Materialize;
  MemoryContextSwitchTo(caller);
}

void SetSingleFuncCall(FunctionCallInfo fcinfo, bits32 flags) {
  InitMaterializedSRF(fcinfo, flags);
}

// --- arguments without declared types -----------------------------------------------------------------------

int extract_variadic_args(FunctionCallInfo fcinfo, int variadic_start, bool convert_unknown, Datum** args,
                          Oid** types, bool** nulls) {
  *args = nullptr;
  *types = nullptr;
  *nulls = nullptr;
  if (get_fn_expr_variadic(fcinfo->flinfo)) {
    // VARIADIC array: its elements are the arguments.
    Assert(PG_NARGS() == variadic_start + 1);
    if (PG_ARGISNULL(variadic_start)) return -1;
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(variadic_start);
    const Oid element = ARR_ELEMTYPE(array);
    int16 length;
    bool by_value;
    char align;
    int count;
    get_typlenbyvalalign(element, &length, &by_value, &align);
    deconstruct_array(array, element, length, by_value, align, args, nulls, &count);
    *types = static_cast<Oid*>(palloc0(static_cast<Size>(count) * sizeof(Oid) + 1));
    for (int i = 0; i < count; i++) (*types)[i] = element;
    return count;
  }

  const int count = PG_NARGS() - variadic_start;
  Assert(count >= 0);
  const Size n = static_cast<Size>(count);
  *nulls = static_cast<bool*>(palloc0(n * sizeof(bool) + 1));
  *args = static_cast<Datum*>(palloc0(n * sizeof(Datum) + 1));
  *types = static_cast<Oid*>(palloc0(n * sizeof(Oid) + 1));
  for (int i = 0; i < count; i++) {
    const int number = variadic_start + i;
    (*nulls)[i] = PG_ARGISNULL(number);
    (*types)[i] = get_fn_expr_argtype(fcinfo->flinfo, number);
    if (convert_unknown && (*types)[i] == UNKNOWNOID && get_fn_expr_arg_stable(fcinfo->flinfo, number)) {
      (*types)[i] = TEXTOID;
      (*args)[i] = (*nulls)[i] ? 0 : CStringGetTextDatum(DatumGetCString(PG_GETARG_DATUM(number)));
    } else {
      (*args)[i] = PG_GETARG_DATUM(number);
    }
    if (!OidIsValid((*types)[i]) || (convert_unknown && (*types)[i] == UNKNOWNOID))
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("could not determine data type for argument %d", i + 1)));
  }
  return count;
}

}  // extern "C"
