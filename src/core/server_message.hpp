// An error or notice of the upstream, with every field it sent.
#pragma once

#include <string>

namespace bgw {

struct ServerMessage {
  std::string severity = "ERROR";  // never localised: ERROR, FATAL, PANIC, WARNING, NOTICE, INFO, LOG, DEBUGn
  std::string sqlstate = "XX000";
  std::string message;
  std::string detail;
  std::string hint;
  std::string context;
  std::string internal_query;
  std::string schema_name, table_name, column_name, datatype_name, constraint_name;
  std::string source_file, source_function;
  int source_line = 0;
  int position = 0;           // character in the statement that was sent, from 1; 0: none
  int internal_position = 0;  // character in internal_query, from 1; 0: none
};

}  // namespace bgw
