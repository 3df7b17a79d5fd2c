// What a statement is, decided before it is sent: PostgreSQL's own parser, as a library, reads the text.
//
// The answer depends on the text alone, so it is kept in a bounded cache next to the prepared statements. A
// text that this parser does not accept is not refused here: the upstream may be of another major, so the
// upstream decides (StatementKind::unknown, one statement for the whole text).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bgw {

enum class StatementKind {
  select,       // SELECT, VALUES, TABLE, WITH ... SELECT
  select_into,  // SELECT INTO
  insert,
  update,
  remove,  // DELETE
  merge,
  create_table_as,  // also CREATE MATERIALIZED VIEW and CREATE TABLE AS EXECUTE
  transaction,      // BEGIN, COMMIT, SAVEPOINT, PREPARE TRANSACTION, ...
  copy_client,      // COPY FROM STDIN, COPY TO STDOUT
  copy_file,        // COPY from or to a file or a program of the upstream's machine
  listen,
  utility_rows,  // may return rows: EXPLAIN, SHOW, FETCH, EXECUTE, CALL
  utility,       // everything else
  unknown,       // our parser does not understand it
};

// What a SET, RESET or SHOW does. characteristics: SET TRANSACTION and SET SESSION CHARACTERISTICS.
enum class SettingAction { none, set, reset, reset_all, show, characteristics };

// What SET TRANSACTION or SET SESSION CHARACTERISTICS says.
struct Characteristics {
  std::string isolation;  // as the server spells it, in lower case; empty: not said
  std::optional<bool> read_only;
  std::optional<bool> deferrable;
};

struct Statement {
  StatementKind kind = StatementKind::unknown;
  std::string text;        // this statement alone, without the semicolon
  std::size_t offset = 0;  // characters (not bytes) that precede it in the whole text
  std::string tag;         // the command's name as the server prints it, e.g. "CREATE TABLE"
  bool returning = false;  // INSERT, UPDATE, DELETE, MERGE with RETURNING
  bool read_only = false;  // a SELECT that neither locks rows nor has a data-modifying WITH
  bool cursor_ok = false;  // can be the query of DECLARE CURSOR
  bool needs_snapshot = true;
  // Its result may have a column of which the text form does not tell all: rows without a named type, what the planner's
  // statistics are kept in, functions. If not, that would be through something that the statement does not show.
  bool may_need_binary = false;
  bool drops_prepared = false;      // DISCARD ALL/PLANS, DEALLOCATE: our prepared statements may be gone
  bool changes_names = false;       // may create, alter or drop something that a text names, or run what does
  bool analyzed_at_prepare = true;  // false: a utility statement, which the server only parses when prepared
  std::string cursor_name;          // that DECLARE CURSOR makes or CLOSE ends
  bool closes_cursor = false;       // CLOSE; without a name: all of them
  bool is_explicit_set = false;     // SET or RESET, to any value, SET TRANSACTION included
  std::string set_name;             // the variable of a SET, RESET or SHOW
  SettingAction setting = SettingAction::none;  // of one variable, by name
  std::string set_value;  // of action set: as the server would pass it on; see set_value_known
  bool set_value_known = false;
  bool set_local = false;
  Characteristics characteristics;
  std::string outside_block;  // not empty: must not run in a transaction block; the name for the message
  int max_param = 0;          // highest $n in the text
  int max_param_at = 0;       // and the character where it stands in the statement, from 1
};

struct ParsedText {
  std::vector<Statement> statements;  // empty: nothing but white space and comments
  bool understood = true;
};

// Never fails: what cannot be read becomes one statement of kind unknown.
ParsedText parse_statements(std::string_view text);

// For a text that our parser refused and the upstream says holds several statements: cut by the scanner.
ParsedText split_unknown(std::string_view text);

// Number of characters in `text`, which is UTF-8 or a single-byte encoding.
std::size_t count_characters(std::string_view text, bool utf8 = true);

}  // namespace bgw
