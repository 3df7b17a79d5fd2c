// Writing a string as JSON (declared in utils/json.h): used for the log as well as by the JSON types.
extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/json.h"
}

extern "C" void escape_json(StringInfo buf, const char* str) {
  appendStringInfoCharMacro(buf, '"');
  for (; *str; ++str) {
    switch (*str) {
      case '\b':
        appendStringInfoString(buf, "\\b");
        break;
      case '\f':
        appendStringInfoString(buf, "\\f");
        break;
      case '\n':
        appendStringInfoString(buf, "\\n");
        break;
      case '\r':
        appendStringInfoString(buf, "\\r");
        break;
      case '\t':
        appendStringInfoString(buf, "\\t");
        break;
      case '"':
        appendStringInfoString(buf, "\\\"");
        break;
      case '\\':
        appendStringInfoString(buf, "\\\\");
        break;
      default:
        if (static_cast<unsigned char>(*str) < ' ')
          appendStringInfo(buf, "\\u%04x", static_cast<int>(*str));
        else
          appendStringInfoCharMacro(buf, *str);
    }
  }
  appendStringInfoCharMacro(buf, '"');
}
