// Every tag is found by its own name, in any case of letters, and the list is in the order that finding needs.
#include <gtest/gtest.h>

#include <cctype>
#include <string>

extern "C" {
#include "postgres.h"
#include "tcop/cmdtag.h"
}

namespace {

TEST(CommandTag, NamesAndBack) {
  for (int i = 0; i < COMMAND_TAG_NEXTTAG; i++) {
    CommandTag tag = static_cast<CommandTag>(i);
    std::string name = GetCommandTagName(tag);
    EXPECT_EQ(GetCommandTagEnum(name.c_str()), tag) << name;
    for (char& c : name) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(GetCommandTagEnum(name.c_str()), tag) << name;
  }
  EXPECT_EQ(GetCommandTagEnum("no such tag"), CMDTAG_UNKNOWN);
  EXPECT_EQ(GetCommandTagEnum(""), CMDTAG_UNKNOWN);
  EXPECT_EQ(GetCommandTagEnum(nullptr), CMDTAG_UNKNOWN);
}

TEST(CommandTag, Properties) {
  EXPECT_TRUE(command_tag_display_rowcount(CMDTAG_INSERT));
  EXPECT_FALSE(command_tag_display_rowcount(CMDTAG_VACUUM));
  EXPECT_TRUE(command_tag_event_trigger_ok(CMDTAG_CREATE_TABLE));
  EXPECT_FALSE(command_tag_event_trigger_ok(CMDTAG_SELECT));
  EXPECT_TRUE(command_tag_table_rewrite_ok(CMDTAG_ALTER_TABLE));
  EXPECT_FALSE(command_tag_table_rewrite_ok(CMDTAG_ALTER_ROLE));
  QueryCompletion completion;
  SetQueryCompletion(&completion, CMDTAG_INSERT, 5);
  InitializeQueryCompletion(&completion);
  EXPECT_EQ(completion.commandTag, CMDTAG_UNKNOWN);
  EXPECT_EQ(completion.nprocessed, 0u);
}

}  // namespace
