// The words that statements answer with, such as "INSERT", by number and back (tcop/cmdtag.h). The list is the
// installed server's own header, in the order of the words. C style.
extern "C" {
#include "postgres.h"
#include "tcop/cmdtag.h"
}

namespace {

struct Tag {
  const char* name;
  bool event_trigger_ok, table_rewrite_ok, rowcount;
};

#define PG_CMDTAG(tag, name, event_trigger_ok, table_rewrite_ok, rowcount) \
  {name, event_trigger_ok, table_rewrite_ok, rowcount},
constexpr Tag tags[] = {
#include "tcop/cmdtaglist.h"
};
#undef PG_CMDTAG

}  // namespace

extern "C" {

void InitializeQueryCompletion(QueryCompletion* qc) {
  qc->commandTag = CMDTAG_UNKNOWN;
  qc->nprocessed = 0;
}

const char* GetCommandTagName(CommandTag commandTag) {
  return tags[commandTag].name;
}

bool command_tag_display_rowcount(CommandTag commandTag) {
  return tags[commandTag].rowcount;
}

bool command_tag_event_trigger_ok(CommandTag commandTag) {
  return tags[commandTag].event_trigger_ok;
}

bool command_tag_table_rewrite_ok(CommandTag commandTag) {
  return tags[commandTag].table_rewrite_ok;
}

// In any case of letters; CMDTAG_UNKNOWN for what is no tag.
CommandTag GetCommandTagEnum(const char* tagname) {
  if (tagname == nullptr) return CMDTAG_UNKNOWN;
  int low = 0, high = static_cast<int>(lengthof(tags)) - 1;
  while (low <= high) {
    int middle = (low + high) / 2;
    int order = pg_strcasecmp(tagname, tags[middle].name);
    if (order == 0) return static_cast<CommandTag>(middle);
    if (order < 0)
      high = middle - 1;
    else
      low = middle + 1;
  }
  return CMDTAG_UNKNOWN;
}

}  // extern "C"
