// Making the expression nodes that describe a function call (nodes/makefuncs.h).
extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
}

extern "C" {

Const* makeConst(Oid consttype, int32 consttypmod, Oid constcollid, int constlen, Datum constvalue,
                 bool constisnull, bool constbyval) {
  Const* constant = makeNode(Const);
  constant->consttype = consttype;
  constant->consttypmod = consttypmod;
  constant->constcollid = constcollid;
  constant->constlen = constlen;
  // A varlena in a node is never an out-of-line or compressed one.
  constant->constvalue =
      !constisnull && constlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM(constvalue)) : constvalue;
  constant->constisnull = constisnull;
  constant->constbyval = constbyval;
  constant->location = -1;
  return constant;
}

Const* makeNullConst(Oid consttype, int32 consttypmod, Oid constcollid) {
  int16 length;
  bool by_value;
  get_typlenbyval(consttype, &length, &by_value);
  return makeConst(consttype, consttypmod, constcollid, length, 0, true, by_value);
}

Node* makeBoolConst(bool value, bool isnull) {
  return reinterpret_cast<Node*>(makeConst(BOOLOID, -1, InvalidOid, 1, BoolGetDatum(value), isnull, true));
}

FuncExpr* makeFuncExpr(Oid funcid, Oid rettype, List* args, Oid funccollid, Oid inputcollid,
                       CoercionForm fformat) {
  FuncExpr* call = makeNode(FuncExpr);
  call->funcid = funcid;
  call->funcresulttype = rettype;
  call->funcformat = fformat;
  call->funccollid = funccollid;
  call->inputcollid = inputcollid;
  call->args = args;
  call->location = -1;
  return call;
}

RangeVar* makeRangeVar(char* schemaname, char* relname, int location) {
  RangeVar* made = makeNode(RangeVar);
  made->schemaname = schemaname;
  made->relname = relname;
  made->inh = true;
  made->relpersistence = RELPERSISTENCE_PERMANENT;
  made->location = location;
  return made;
}

}  // extern "C"
