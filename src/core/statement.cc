// Reads statements with libpg_query, through its JSON form of the parse tree: names of nodes and enums are
// words there, and nothing of the library's own memory outlives a call.
//
// The library keeps its memory per thread and its names apart from ours (the build makes them local). Enter
// only inside a CriticalScope in a worker: it allocates.
#include "core/statement.hpp"

#include <nlohmann/json.hpp>
#include <pg_query.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <unordered_map>

namespace bgw {

namespace {

using Json = nlohmann::json;

// OBJECT_FOREIGN_TABLE -> "FOREIGN TABLE", with the server's own words where the enum's differ.
std::string object_words(std::string_view object_type) {
  static const std::unordered_map<std::string_view, const char*> special = {
      {"OBJECT_FDW", "FOREIGN DATA WRAPPER"},
      {"OBJECT_FOREIGN_SERVER", "SERVER"},
      {"OBJECT_MATVIEW", "MATERIALIZED VIEW"},
      {"OBJECT_OPCLASS", "OPERATOR CLASS"},
      {"OBJECT_OPFAMILY", "OPERATOR FAMILY"},
      {"OBJECT_STATISTIC_EXT", "STATISTICS"},
      {"OBJECT_TSCONFIGURATION", "TEXT SEARCH CONFIGURATION"},
      {"OBJECT_TSDICTIONARY", "TEXT SEARCH DICTIONARY"},
      {"OBJECT_TSPARSER", "TEXT SEARCH PARSER"},
      {"OBJECT_TSTEMPLATE", "TEXT SEARCH TEMPLATE"},
      {"OBJECT_COLUMN", "TABLE"},
      {"OBJECT_TABCONSTRAINT", "TABLE"},
      {"OBJECT_ATTRIBUTE", "TYPE"},
      {"OBJECT_DOMCONSTRAINT", "DOMAIN"},
      {"OBJECT_LARGEOBJECT", "LARGE OBJECT"},
  };
  if (auto it = special.find(object_type); it != special.end()) return it->second;
  std::string words(object_type.substr(object_type.starts_with("OBJECT_") ? 7 : 0));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string text_of(const Json& node, const char* key) {
  auto it = node.find(key);
  return it != node.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool flag_of(const Json& node, const char* key) {
  auto it = node.find(key);
  return it != node.end() && it->is_boolean() && it->get<bool>();
}

bool has_def_elem(const Json& node, const char* list, const char* name) {
  auto it = node.find(list);
  if (it == node.end() || !it->is_array()) return false;
  for (const Json& element : *it)
    if (auto def = element.find("DefElem"); def != element.end() && text_of(*def, "defname") == name)
      return true;
  return false;
}

std::string camel_to_words(std::string_view name) {
  std::string words;
  if (name.ends_with("Stmt")) name.remove_suffix(4);
  for (char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) && !words.empty()) words.push_back(' ');
    words.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return words;
}

std::string transaction_tag(const std::string& kind) {
  static const std::unordered_map<std::string_view, const char*> tags = {
      {"TRANS_STMT_BEGIN", "BEGIN"},
      {"TRANS_STMT_START", "START TRANSACTION"},
      {"TRANS_STMT_COMMIT", "COMMIT"},
      {"TRANS_STMT_ROLLBACK", "ROLLBACK"},
      {"TRANS_STMT_SAVEPOINT", "SAVEPOINT"},
      {"TRANS_STMT_RELEASE", "RELEASE"},
      {"TRANS_STMT_ROLLBACK_TO", "ROLLBACK"},
      {"TRANS_STMT_PREPARE", "PREPARE TRANSACTION"},
      {"TRANS_STMT_COMMIT_PREPARED", "COMMIT PREPARED"},
      {"TRANS_STMT_ROLLBACK_PREPARED", "ROLLBACK PREPARED"},
  };
  auto it = tags.find(kind);
  return it == tags.end() ? "BEGIN" : it->second;
}

// The command's name as the server's messages print it.
std::string command_tag(const std::string& node, const Json& body) {
  static const std::unordered_map<std::string_view, const char*> fixed = {
      {"AlterDefaultPrivilegesStmt", "ALTER DEFAULT PRIVILEGES"},
      {"AlterDatabaseRefreshCollStmt", "ALTER DATABASE"},
      {"AlterDatabaseSetStmt", "ALTER DATABASE"},
      {"AlterEnumStmt", "ALTER TYPE"},
      {"AlterEventTrigStmt", "ALTER EVENT TRIGGER"},
      {"AlterExtensionContentsStmt", "ALTER EXTENSION"},
      {"AlterFdwStmt", "ALTER FOREIGN DATA WRAPPER"},
      {"AlterForeignServerStmt", "ALTER SERVER"},
      {"AlterOpFamilyStmt", "ALTER OPERATOR FAMILY"},
      {"AlterRoleSetStmt", "ALTER ROLE"},
      {"AlterSeqStmt", "ALTER SEQUENCE"},
      {"AlterStatsStmt", "ALTER STATISTICS"},
      {"AlterTableMoveAllStmt", "ALTER TABLE"},
      {"AlterTableSpaceOptionsStmt", "ALTER TABLESPACE"},
      {"AlterTSConfigurationStmt", "ALTER TEXT SEARCH CONFIGURATION"},
      {"AlterTSDictionaryStmt", "ALTER TEXT SEARCH DICTIONARY"},
      {"CheckPointStmt", "CHECKPOINT"},
      {"ClosePortalStmt", "CLOSE CURSOR"},
      {"CompositeTypeStmt", "CREATE TYPE"},
      {"ConstraintsSetStmt", "SET CONSTRAINTS"},
      {"CreateAmStmt", "CREATE ACCESS METHOD"},
      {"CreateEnumStmt", "CREATE TYPE"},
      {"CreateEventTrigStmt", "CREATE EVENT TRIGGER"},
      {"CreateFdwStmt", "CREATE FOREIGN DATA WRAPPER"},
      {"CreateForeignServerStmt", "CREATE SERVER"},
      {"CreateOpClassStmt", "CREATE OPERATOR CLASS"},
      {"CreateOpFamilyStmt", "CREATE OPERATOR FAMILY"},
      {"CreatePLangStmt", "CREATE LANGUAGE"},
      {"CreateRangeStmt", "CREATE TYPE"},
      {"CreateSeqStmt", "CREATE SEQUENCE"},
      {"CreateStatsStmt", "CREATE STATISTICS"},
      {"CreateStmt", "CREATE TABLE"},
      {"CreateTableSpaceStmt", "CREATE TABLESPACE"},
      {"CreateTrigStmt", "CREATE TRIGGER"},
      {"CreatedbStmt", "CREATE DATABASE"},
      {"DropTableSpaceStmt", "DROP TABLESPACE"},
      {"DropdbStmt", "DROP DATABASE"},
      {"IndexStmt", "CREATE INDEX"},
      {"LockStmt", "LOCK TABLE"},
      {"RefreshMatViewStmt", "REFRESH MATERIALIZED VIEW"},
      {"ReplicaIdentityStmt", "ALTER TABLE"},
      {"RuleStmt", "CREATE RULE"},
      {"SecLabelStmt", "SECURITY LABEL"},
      {"TruncateStmt", "TRUNCATE TABLE"},
      {"VariableShowStmt", "SHOW"},
      {"ViewStmt", "CREATE VIEW"},
      {"RemoveStmt", "DELETE"},
  };
  if (node == "TransactionStmt") return transaction_tag(text_of(body, "kind"));
  if (node == "VacuumStmt") return flag_of(body, "is_vacuumcmd") ? "VACUUM" : "ANALYZE";
  if (node == "VariableSetStmt") return text_of(body, "kind").starts_with("VAR_RESET") ? "RESET" : "SET";
  if (node == "FetchStmt") return flag_of(body, "ismove") ? "MOVE" : "FETCH";
  if (node == "DropStmt") return "DROP " + object_words(text_of(body, "removeType"));
  if (node == "DefineStmt") return "CREATE " + object_words(text_of(body, "kind"));
  if (node == "RenameStmt") {
    std::string type = text_of(body, "renameType");
    if (type == "OBJECT_COLUMN" || type == "OBJECT_TABCONSTRAINT" || type == "OBJECT_ATTRIBUTE")
      type = text_of(body, "relationType");
    return "ALTER " + object_words(type);
  }
  if (node == "AlterTableStmt") return "ALTER " + object_words(text_of(body, "objtype"));
  if (node == "AlterFunctionStmt") return "ALTER " + object_words(text_of(body, "objtype"));
  if (node == "AlterOwnerStmt" || node == "AlterObjectSchemaStmt" || node == "AlterObjectDependsStmt")
    return "ALTER " + object_words(text_of(body, "objectType"));
  if (node == "CreateFunctionStmt")
    return flag_of(body, "is_procedure") ? "CREATE PROCEDURE" : "CREATE FUNCTION";
  if (node == "GrantStmt") return flag_of(body, "is_grant") ? "GRANT" : "REVOKE";
  if (node == "GrantRoleStmt") return flag_of(body, "is_grant") ? "GRANT ROLE" : "REVOKE ROLE";
  if (node == "DeallocateStmt") return text_of(body, "name").empty() ? "DEALLOCATE ALL" : "DEALLOCATE";
  if (node == "DiscardStmt") {
    std::string words = text_of(body, "target");
    std::replace(words.begin(), words.end(), '_', ' ');
    return words;
  }
  if (node == "CreateTableAsStmt") {
    if (flag_of(body, "is_select_into")) return "SELECT INTO";
    return text_of(body, "objtype") == "OBJECT_MATVIEW" ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS";
  }
  if (auto it = fixed.find(node); it != fixed.end()) return it->second;
  return camel_to_words(node);
}

struct TreeFacts {
  std::string lock_strength;  // of the first locking clause met
  int max_param = 0;
  int max_param_location = -1;
};

void walk(const Json& node, TreeFacts& facts) {
  if (node.is_array()) {
    for (const Json& element : node) walk(element, facts);
    return;
  }
  if (!node.is_object()) return;
  for (auto it = node.begin(); it != node.end(); ++it) {
    if (it.key() == "LockingClause" && facts.lock_strength.empty()) {
      facts.lock_strength = text_of(it.value(), "strength");
    } else if (it.key() == "ParamRef" && it.value().is_object()) {
      int number = it.value().value("number", 0);
      if (number > facts.max_param) {
        facts.max_param = number;
        facts.max_param_location = it.value().value("location", 0);
      }
    }
    if (it.value().is_structured()) walk(it.value(), facts);
  }
}

// ---- what is had in binary form only ----

constexpr std::uint32_t hash_of(std::string_view name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

#define N(name) +1
constexpr std::size_t builtin_count = 0
#include "core/builtin_functions.inc"
    ;
#undef N
constexpr auto sorted_hashes() {
#define N(name) hash_of(#name),
  std::array<std::uint32_t, builtin_count> hashes = {
#include "core/builtin_functions.inc"
  };
#undef N
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}
constexpr auto builtin_hashes = sorted_hashes();

std::string last_name(const Json& node, const char* list) {
  auto it = node.find(list);
  if (it == node.end() || !it->is_array() || it->empty()) return "";
  auto word = it->back().find("String");
  return word == it->back().end() ? "" : text_of(*word, "sval");
}

// A function of the server's that never gives a record unless it is given one.
bool gives_no_record(const Json& call) {
  auto name = call.find("funcname");
  if (name == call.end() || name->empty() || name->size() > 2) return false;
  if (name->size() == 2) {
    auto schema = name->front().find("String");
    if (schema == name->front().end() || text_of(*schema, "sval") != "pg_catalog") return false;
  }
  return std::binary_search(builtin_hashes.begin(), builtin_hashes.end(), hash_of(last_name(call, "funcname")));
}

// The columns of the server's catalogs and views whose types are told by the binary form alone: what the planner's statistics are
// kept in, and functions whose name others may have too.
constexpr std::string_view binary_columns[] = {
    "aggcombinefn", "aggdeserialfn", "aggfinalfn", "aggfnoid", "aggmfinalfn", "aggminvtransfn", "aggmtransfn", "aggserialfn",
    "aggtransfn", "amhandler", "amproc", "attmissingval", "conproc", "dependencies", "histogram_bounds", "most_common_elems",
    "most_common_vals", "n_distinct", "oprcode", "oprjoin", "oprrest", "prosupport", "prsend", "prsheadline", "prslextype",
    "prsstart", "prstoken", "rngcanonical", "rngsubdiff", "stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5",
    "stxddependencies", "stxdmcv", "stxdndistinct", "tmplinit", "tmpllexize", "trffromsql", "trftosql", "typanalyze", "typinput",
    "typmodin", "typmodout", "typoutput", "typreceive", "typsend", "typsubscript"};
// And what has them.
constexpr std::string_view binary_relations[] = {
    "pg_aggregate", "pg_am", "pg_amproc", "pg_attribute", "pg_conversion", "pg_operator", "pg_proc", "pg_range",
    "pg_statistic", "pg_statistic_ext_data", "pg_stats", "pg_stats_ext", "pg_stats_ext_exprs", "pg_transform", "pg_ts_parser",
    "pg_ts_template", "pg_type"};
static_assert(std::is_sorted(std::begin(binary_columns), std::end(binary_columns)));
static_assert(std::is_sorted(std::begin(binary_relations), std::end(binary_relations)));

// Names that stand for a whole row of no named type: of subqueries, joins, common table expressions, and functions.
struct RowNames {
  std::vector<std::string> names;
  bool with = false;      // what looks like a table may be a common table expression
  bool catalogs = false;  // "*" may stand for one of binary_columns

  void add_alias(const Json& body) {
    if (auto alias = body.find("alias"); alias != body.end()) names.push_back(text_of(*alias, "aliasname"));
  }
  void add_function(const Json& body) {
    const bool plain = !flag_of(body, "ordinality") && !flag_of(body, "is_rowsfrom") && !body.contains("coldeflist");
    bool scalar = plain;
    std::vector<std::string> called;
    for (const Json& function : body.value("functions", Json::array()))
      if (auto list = function.find("List"); list != function.end() && list->contains("items"))
        for (const Json& item : list->at("items"))
          if (auto call = item.find("FuncCall"); call != item.end()) {
            scalar = scalar && gives_no_record(*call);
            called.push_back(last_name(*call, "funcname"));
          }
    if (scalar) return;
    add_alias(body);
    if (!body.contains("alias")) names.insert(names.end(), called.begin(), called.end());
  }
};

void find_row_names(const Json& node, RowNames& found) {
  if (node.is_array()) {
    for (const Json& element : node) find_row_names(element, found);
    return;
  }
  if (!node.is_object()) return;
  for (auto it = node.begin(); it != node.end(); ++it) {
    const Json& body = it.value();
    if (!body.is_structured()) continue;
    if (it.key() == "RangeSubselect" || it.key() == "JoinExpr" || it.key() == "RangeTableFunc") {
      found.add_alias(body);
    } else if (it.key() == "RangeFunction") {
      found.add_function(body);
    } else if (it.key() == "CommonTableExpr") {
      found.with = true;
      found.names.push_back(text_of(body, "ctename"));
    } else if (it.key() == "RangeVar") {
      if (found.with) found.add_alias(body);
      found.catalogs = found.catalogs || std::binary_search(std::begin(binary_relations), std::end(binary_relations),
                                                            std::string_view(text_of(body, "relname")));
    }
    find_row_names(body, found);
  }
}

bool needs_binary(const Json& column, const RowNames& rows) {
  const Json fields = column.value("fields", Json::array());
  if (fields.empty()) return false;
  if (fields.back().contains("A_Star")) return rows.catalogs;
  const std::string name = last_name(column, "fields");
  if (std::binary_search(std::begin(binary_columns), std::end(binary_columns), std::string_view(name))) return true;
  return fields.size() == 1 && std::find(rows.names.begin(), rows.names.end(), name) != rows.names.end();
}

// `shown`: the node is part of what a query gives.
bool shows_binary(const Json& node, const RowNames& rows, bool shown) {
  if (node.is_array())
    return std::any_of(node.begin(), node.end(), [&](const Json& part) { return shows_binary(part, rows, shown); });
  if (!node.is_object()) return false;
  for (auto it = node.begin(); it != node.end(); ++it) {
    const std::string& key = it.key();
    const Json& body = it.value();
    if (!body.is_structured()) continue;
    bool here = shown;
    if (key == "targetList" || key == "returningList" || key == "valuesLists") {
      here = true;
    } else if (key == "fromClause" || key == "whereClause" || key == "groupClause" || key == "sortClause" ||
               key == "havingClause") {
      here = false;
    } else if (shown) {
      if (key == "RowExpr") return true;
      if (key == "FuncCall" && !gives_no_record(body)) return true;
      if (key == "TypeCast" && body.contains("typeName")) {
        const std::string type = last_name(body.at("typeName"), "names");
        if (type == "record" || type == "regproc" || type == "regoper") return true;
      }
      if (key == "ColumnRef" && needs_binary(body, rows)) return true;
    }
    if (shows_binary(body, rows, here)) return true;
  }
  return false;
}

// `body` of a SELECT, or of another statement whose RETURNING list is all that it gives.
bool may_need_binary(const Json& body, bool select) {
  RowNames rows;
  find_row_names(body.value("withClause", Json::object()), rows);
  find_row_names(body, rows);
  return select ? shows_binary(body, rows, false) : shows_binary(body.at("returningList"), rows, true);
}

bool modifies_in_with(const Json& body) {
  auto with = body.find("withClause");
  if (with == body.end()) return false;
  auto ctes = with->find("ctes");
  if (ctes == with->end()) return false;
  for (const Json& cte : *ctes) {
    auto expr = cte.find("CommonTableExpr");
    if (expr == cte.end()) continue;
    auto query = expr->find("ctequery");
    if (query != expr->end() && !query->contains("SelectStmt")) return true;
  }
  return false;
}

std::string locking_tag(const std::string& strength) {
  if (strength == "LCS_FORKEYSHARE") return "SELECT FOR KEY SHARE";
  if (strength == "LCS_FORSHARE") return "SELECT FOR SHARE";
  if (strength == "LCS_FORNOKEYUPDATE") return "SELECT FOR NO KEY UPDATE";
  return "SELECT FOR UPDATE";
}

// The name under which the server refuses a statement inside a transaction block; empty if it may run there.
std::string refused_in_block(const std::string& node, const Json& body) {
  if (node == "VacuumStmt") return flag_of(body, "is_vacuumcmd") ? "VACUUM" : "";
  if (node == "CreatedbStmt") return "CREATE DATABASE";
  if (node == "DropdbStmt") return "DROP DATABASE";
  if (node == "CreateTableSpaceStmt") return "CREATE TABLESPACE";
  if (node == "DropTableSpaceStmt") return "DROP TABLESPACE";
  if (node == "AlterSystemStmt") return "ALTER SYSTEM";
  if (node == "ClusterStmt") return body.contains("relation") ? "" : "CLUSTER";
  if (node == "DiscardStmt") return text_of(body, "target") == "DISCARD_ALL" ? "DISCARD ALL" : "";
  if (node == "IndexStmt") return flag_of(body, "concurrent") ? "CREATE INDEX CONCURRENTLY" : "";
  if (node == "DropStmt") return flag_of(body, "concurrent") ? "DROP INDEX CONCURRENTLY" : "";
  if (node == "AlterDatabaseStmt")
    return has_def_elem(body, "options", "tablespace") ? "ALTER DATABASE SET TABLESPACE" : "";
  if (node == "ReindexStmt") {
    if (has_def_elem(body, "params", "concurrently")) return "REINDEX CONCURRENTLY";
    std::string kind = text_of(body, "kind");
    if (kind == "REINDEX_OBJECT_SCHEMA") return "REINDEX SCHEMA";
    if (kind == "REINDEX_OBJECT_SYSTEM") return "REINDEX SYSTEM";
    if (kind == "REINDEX_OBJECT_DATABASE") return "REINDEX DATABASE";
  }
  return "";
}

// An integer literal of SET. The library's JSON has no value for zero and negative ones, so they are read from
// the text.
std::string integer_literal(const Json& constant, std::string_view text) {
  const Json& node = constant.at("ival");
  if (auto it = node.find("ival"); it != node.end() && it->is_number_integer())
    return std::to_string(it->get<long>());
  std::string number;
  for (std::size_t at = static_cast<std::size_t>(constant.value("location", 0)); at < text.size(); ++at) {
    char c = text[at];
    if (c == '-' || std::isdigit(static_cast<unsigned char>(c))) {
      number.push_back(c);
    } else if (!std::isspace(static_cast<unsigned char>(c)) && c != '+') {
      break;
    } else if (!number.empty() && number != "-") {
      break;
    }
  }
  return number;
}

// A name as an element of a list setting: quoted unless it reads the same without.
std::string list_element(const std::string& name) {
  bool plain = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0]));
  for (char c : name)
    plain = plain && (c == '_' || std::islower(static_cast<unsigned char>(c)) ||
                      std::isdigit(static_cast<unsigned char>(c)));
  if (plain) return name;
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

// SET TRANSACTION SNAPSHOT has the same form and says nothing of these.
void describe_characteristics(Statement& s, const Json& body) {
  auto args = body.find("args");
  if (args == body.end() || s.set_name == "TRANSACTION SNAPSHOT") return;
  s.setting = SettingAction::characteristics;
  s.set_local = s.set_name == "TRANSACTION";
  for (const Json& argument : *args) {
    auto element = argument.find("DefElem");
    if (element == argument.end() || !element->contains("arg")) continue;
    auto constant = element->at("arg").find("A_Const");
    if (constant == element->at("arg").end()) continue;
    const std::string name = text_of(*element, "defname");
    if (auto word = constant->find("sval"); word != constant->end() && name == "transaction_isolation") {
      s.characteristics.isolation = text_of(*word, "sval");
    } else if (auto number = constant->find("ival"); number != constant->end()) {
      const bool on = number->contains("ival");  // the library's JSON leaves out what is zero
      if (name == "transaction_read_only") s.characteristics.read_only = on;
      if (name == "transaction_deferrable") s.characteristics.deferrable = on;
    }
  }
}

void describe_setting(Statement& s, const Json& body, std::string_view text) {
  std::string kind = text_of(body, "kind");
  s.set_local = flag_of(body, "is_local");
  if (kind == "VAR_SET_MULTI") {
    describe_characteristics(s, body);
  } else if (kind == "VAR_RESET_ALL") {
    s.setting = SettingAction::reset_all;
  } else if (kind == "VAR_RESET" || kind == "VAR_SET_DEFAULT") {
    s.setting = SettingAction::reset;
  } else if (kind == "VAR_SET_VALUE") {
    s.setting = SettingAction::set;
    s.set_value_known = true;
    bool list_of_names = s.set_name == "search_path" || s.set_name == "temp_tablespaces";
    auto args = body.find("args");
    if (args == body.end()) return;
    for (const Json& argument : *args) {
      if (!s.set_value.empty()) s.set_value += ", ";
      auto constant = argument.find("A_Const");
      if (constant == argument.end()) {
        s.set_value_known = false;  // SET TIME ZONE INTERVAL ...
        return;
      }
      if (auto word = constant->find("sval"); word != constant->end()) {
        std::string value = text_of(*word, "sval");
        s.set_value += list_of_names ? list_element(value) : value;
      } else if (auto real = constant->find("fval"); real != constant->end()) {
        s.set_value += text_of(*real, "fval");
      } else if (constant->contains("ival")) {
        s.set_value += integer_literal(*constant, text);
      } else {
        s.set_value_known = false;
        return;
      }
    }
  }
}

// Utility statements that leave what names mean as it is.
bool keeps_names(std::string_view node) {
  constexpr std::string_view nodes[] = {
      "AlterSystemStmt",   "CheckPointStmt",     "ClosePortalStmt",   "ClusterStmt",    "CommentStmt",
      "ConstraintsSetStmt", "CopyStmt",          "DeallocateStmt",    "DeclareCursorStmt", "DiscardStmt",
      "ExplainStmt",       "FetchStmt",          "GrantRoleStmt",     "GrantStmt",      "ListenStmt",
      "LoadStmt",          "LockStmt",           "NotifyStmt",        "PrepareStmt",    "RefreshMatViewStmt",
      "ReindexStmt",       "SecLabelStmt",       "TransactionStmt",   "TruncateStmt",   "UnlistenStmt",
      "VacuumStmt",        "VariableSetStmt",    "VariableShowStmt",
  };
  return std::find(std::begin(nodes), std::end(nodes), node) != std::end(nodes);
}

void describe(Statement& s, const std::string& node, const Json& body, std::string_view text) {
  TreeFacts facts;
  walk(body, facts);
  s.max_param = facts.max_param;
  s.max_param_at = facts.max_param_location;
  s.tag = command_tag(node, body);
  s.outside_block = refused_in_block(node, body);
  bool optimizable = true;
  if (node == "SelectStmt") {
    // In WITH ... SELECT INTO and set operations the INTO clause hangs on the leftmost member.
    const Json* leaf = &body;
    while (leaf->contains("larg")) leaf = &leaf->at("larg");
    if (leaf->contains("intoClause")) {
      s.kind = StatementKind::select_into;
      s.tag = "SELECT INTO";
      s.changes_names = true;
    } else {
      s.kind = StatementKind::select;
      s.tag = facts.lock_strength.empty() ? "SELECT" : locking_tag(facts.lock_strength);
      s.cursor_ok = !modifies_in_with(body);
      s.read_only = facts.lock_strength.empty() && s.cursor_ok;
    }
  } else if (node == "InsertStmt" || node == "UpdateStmt" || node == "DeleteStmt" || node == "MergeStmt") {
    s.kind = node == "InsertStmt"   ? StatementKind::insert
             : node == "UpdateStmt" ? StatementKind::update
             : node == "DeleteStmt" ? StatementKind::remove
                                    : StatementKind::merge;
    auto returning = body.find("returningList");
    s.returning = returning != body.end() && !returning->empty();
  } else {
    optimizable = false;
    s.kind = StatementKind::utility;
    s.changes_names = !keeps_names(node);
    if (node == "TransactionStmt") {
      s.kind = StatementKind::transaction;
    } else if (node == "CopyStmt") {
      s.kind = body.contains("filename") ? StatementKind::copy_file : StatementKind::copy_client;
    } else if (node == "CreateTableAsStmt") {
      s.kind = StatementKind::create_table_as;
    } else if (node == "ListenStmt") {
      s.kind = StatementKind::listen;
    } else if (node == "ExplainStmt" || node == "VariableShowStmt" || node == "FetchStmt" ||
               node == "ExecuteStmt" || node == "CallStmt") {
      s.kind = StatementKind::utility_rows;
    } else if (node == "DiscardStmt") {
      std::string target = text_of(body, "target");
      s.drops_prepared = target == "DISCARD_ALL" || target == "DISCARD_PLANS";
    } else if (node == "DeallocateStmt") {
      s.drops_prepared = true;
    } else if (node == "VariableSetStmt") {
      s.is_explicit_set = true;
      s.set_name = text_of(body, "name");
      describe_setting(s, body, text);
    }
    if (node == "DeclareCursorStmt" || node == "ClosePortalStmt") s.cursor_name = text_of(body, "portalname");
    s.closes_cursor = node == "ClosePortalStmt";
    if (node == "VariableShowStmt") {
      s.set_name = text_of(body, "name");
      s.setting = SettingAction::show;
    }
  }
  if (s.kind == StatementKind::select || s.returning) s.may_need_binary = may_need_binary(body, s.kind == StatementKind::select);
  static const char* const without_snapshot[] = {
      "TransactionStmt", "LockStmt",   "VariableSetStmt", "VariableShowStmt", "ConstraintsSetStmt",
      "FetchStmt",       "ListenStmt", "NotifyStmt",      "UnlistenStmt",     "CheckPointStmt"};
  for (const char* name : without_snapshot)
    if (node == name) s.needs_snapshot = false;
  s.analyzed_at_prepare = optimizable || node == "ExplainStmt" || node == "DeclareCursorStmt" ||
                          node == "CreateTableAsStmt" || node == "CallStmt";
}

void trim(std::string_view text, std::size_t& begin, std::size_t& length) {
  auto space = [&](std::size_t i) { return std::isspace(static_cast<unsigned char>(text[i])) != 0; };
  while (length > 0 && space(begin)) ++begin, --length;
  while (length > 0 && space(begin + length - 1)) --length;
}

// The first word of a statement, in capitals, white space and comments skipped.
std::string first_word(std::string_view text, std::size_t* end = nullptr) {
  std::size_t i = 0;
  while (i < text.size()) {
    if (std::isspace(static_cast<unsigned char>(text[i])) || text[i] == '(') {
      ++i;
    } else if (text.substr(i, 2) == "--") {
      while (i < text.size() && text[i] != '\n') ++i;
    } else if (text.substr(i, 2) == "/*") {
      int depth = 0;
      do {
        if (text.substr(i, 2) == "/*") {
          ++depth, i += 2;
        } else if (text.substr(i, 2) == "*/") {
          --depth, i += 2;
        } else {
          ++i;
        }
      } while (depth > 0 && i < text.size());
    } else {
      break;
    }
  }
  std::string word;
  while (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i])))
    word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(text[i++]))));
  if (end) *end = i;
  return word;
}

Statement guess(std::string_view text) {
  Statement s;
  s.text = std::string(text);
  std::size_t end = 0;
  std::string word = first_word(text, &end);
  s.tag = word;
  static const char* const transaction_words[] = {"BEGIN", "START",     "COMMIT",  "END",
                                                  "ABORT", "SAVEPOINT", "RELEASE", "ROLLBACK"};
  for (const char* t : transaction_words)
    if (word == t) s.kind = StatementKind::transaction;
  if (word == "PREPARE" && first_word(text.substr(end)) == "TRANSACTION") s.kind = StatementKind::transaction;
  if (word == "LISTEN") s.kind = StatementKind::listen;
  return s;
}

}  // namespace

std::size_t count_characters(std::string_view text, bool utf8) {
  if (!utf8) return text.size();
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

ParsedText parse_statements(std::string_view text) {
  ParsedText parsed;
  std::string whole(text);
  PgQueryParseResult raw = pg_query_parse(whole.c_str());
  bool failed = raw.error != nullptr;
  Json tree = failed ? Json() : Json::parse(raw.parse_tree, nullptr, false);
  pg_query_free_parse_result(raw);
  if (failed || tree.is_discarded()) {
    parsed.understood = false;
    parsed.statements.push_back(guess(text));
    return parsed;
  }
  auto stmts = tree.find("stmts");
  if (stmts == tree.end()) return parsed;
  for (const Json& raw_stmt : *stmts) {
    std::size_t begin = static_cast<std::size_t>(raw_stmt.value("stmt_location", 0));
    std::size_t length = static_cast<std::size_t>(raw_stmt.value("stmt_len", 0));
    if (begin > text.size()) begin = text.size();
    if (length == 0 || begin + length > text.size()) length = text.size() - begin;
    std::size_t start = begin;
    trim(text, start, length);
    auto node = raw_stmt.find("stmt");
    if (node == raw_stmt.end() || !node->is_object() || node->empty()) continue;
    Statement s;
    describe(s, node->begin().key(), node->begin().value(), text);
    s.text = std::string(text.substr(start, length));
    s.offset = count_characters(text.substr(0, start));
    if (s.max_param > 0) {
      std::size_t at = static_cast<std::size_t>(std::max(s.max_param_at, 0));
      at = std::clamp(at, start, text.size());
      s.max_param_at = static_cast<int>(count_characters(text.substr(start, at - start))) + 1;
    }
    parsed.statements.push_back(std::move(s));
  }
  return parsed;
}

ParsedText split_unknown(std::string_view text) {
  ParsedText parsed;
  parsed.understood = false;
  std::string whole(text);
  PgQuerySplitResult split = pg_query_split_with_scanner(whole.c_str());
  if (!split.error) {
    for (int i = 0; i < split.n_stmts; ++i) {
      std::size_t begin = std::min(static_cast<std::size_t>(split.stmts[i]->stmt_location), text.size());
      std::size_t length = std::min(static_cast<std::size_t>(split.stmts[i]->stmt_len), text.size() - begin);
      trim(text, begin, length);
      if (length == 0) continue;
      ParsedText one = parse_statements(text.substr(begin, length));
      Statement s =
          one.understood && one.statements.size() == 1 ? one.statements[0] : guess(text.substr(begin, length));
      s.offset += count_characters(text.substr(0, begin));
      parsed.statements.push_back(std::move(s));
    }
  }
  pg_query_free_split_result(split);
  if (parsed.statements.empty()) parsed.statements.push_back(guess(text));
  return parsed;
}

}  // namespace bgw
