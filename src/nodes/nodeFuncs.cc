// What an expression node says of its value (nodes/nodeFuncs.h): its type, modifier and collation, for the
// nodes that describe calls in this process. Other nodes belong to the upstream's planner and executor.
extern "C" {
#include "postgres.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
}

namespace {

[[noreturn]] void unknown_node(const Node* expr) {
  elog(ERROR, "unrecognized node type: %d", static_cast<int>(nodeTag(expr)));
  pg_unreachable();
}

}  // namespace

extern "C" {

Oid exprType(const Node* expr) {
  if (expr == nullptr) return InvalidOid;
  switch (nodeTag(expr)) {
    case T_Const:
      return reinterpret_cast<const Const*>(expr)->consttype;
    case T_Param:
      return reinterpret_cast<const Param*>(expr)->paramtype;
    case T_FuncExpr:
      return reinterpret_cast<const FuncExpr*>(expr)->funcresulttype;
    case T_OpExpr:
      return reinterpret_cast<const OpExpr*>(expr)->opresulttype;
    default:
      unknown_node(expr);
  }
}

int32 exprTypmod(const Node* expr) {
  if (expr == nullptr) return -1;
  switch (nodeTag(expr)) {
    case T_Const:
      return reinterpret_cast<const Const*>(expr)->consttypmod;
    case T_Param:
      return reinterpret_cast<const Param*>(expr)->paramtypmod;
    default:
      return -1;
  }
}

Oid exprCollation(const Node* expr) {
  if (expr == nullptr) return InvalidOid;
  switch (nodeTag(expr)) {
    case T_Const:
      return reinterpret_cast<const Const*>(expr)->constcollid;
    case T_Param:
      return reinterpret_cast<const Param*>(expr)->paramcollid;
    case T_FuncExpr:
      return reinterpret_cast<const FuncExpr*>(expr)->funccollid;
    case T_OpExpr:
      return reinterpret_cast<const OpExpr*>(expr)->opcollid;
    default:
      unknown_node(expr);
  }
}

}  // extern "C"
