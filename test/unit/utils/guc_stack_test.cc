// What a transaction, a subtransaction or a function sets is undone or kept at its end as the server undoes or
// keeps it; compared with a simple model in random runs.
#include <random>

#include "utils/guc_fixture.hpp"

namespace {

void set(const char* name, const std::string& value, GucAction action) {
  EXPECT_EQ(set_config_option(name, value.c_str(), PGC_USERSET, PGC_S_SESSION, action, true, 0, false), 1);
}

}  // namespace

TEST_F(GucTest, CommitKeepsSetAndUndoesLocal) {
  SetConfigOption("st.set", "0", PGC_USERSET, PGC_S_SESSION);
  SetConfigOption("st.local", "0", PGC_USERSET, PGC_S_SESSION);
  SetConfigOption("st.both", "0", PGC_USERSET, PGC_S_SESSION);
  AtStart_GUC();
  set("st.set", "1", GUC_ACTION_SET);
  set("st.local", "1", GUC_ACTION_LOCAL);
  set("st.both", "1", GUC_ACTION_SET);
  set("st.both", "2", GUC_ACTION_LOCAL);
  EXPECT_EQ(option("st.both"), "2");
  AtEOXact_GUC(true, 1);
  EXPECT_EQ(option("st.set"), "1");
  EXPECT_EQ(option("st.local"), "0");
  EXPECT_EQ(option("st.both"), "1");
  AtStart_GUC();
  set("st.set", "2", GUC_ACTION_SET);
  set("st.both", "3", GUC_ACTION_LOCAL);
  AtEOXact_GUC(false, 1);
  EXPECT_EQ(option("st.set"), "1");
  EXPECT_EQ(option("st.both"), "1");
}

TEST_F(GucTest, FunctionLevel) {
  SetConfigOption("st.save", "0", PGC_USERSET, PGC_S_SESSION);
  AtStart_GUC();
  const int level = NewGUCNestLevel();
  EXPECT_EQ(level, 2);
  set("st.save", "1", GUC_ACTION_SAVE);
  AtEOXact_GUC(true, level);
  EXPECT_EQ(option("st.save"), "0");
  const int again = NewGUCNestLevel();
  set("st.save", "2", GUC_ACTION_SAVE);
  set("st.save", "3", GUC_ACTION_SET);
  AtEOXact_GUC(true, again);
  EXPECT_EQ(option("st.save"), "3");
  AtEOXact_GUC(true, 1);
  EXPECT_EQ(option("st.save"), "3");
}

TEST_F(GucTest, DefinedInsideATransaction) {
  static int value;
  SetConfigOption("st.late", "1", PGC_USERSET, PGC_S_SESSION);
  AtStart_GUC();
  set("st.late", "2", GUC_ACTION_SET);
  set("st.late", "3", GUC_ACTION_LOCAL);
  DefineCustomIntVariable("st.late", "d", nullptr, &value, 0, 0, 9, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  EXPECT_EQ(value, 3);
  AtEOXact_GUC(true, 1);
  EXPECT_EQ(value, 2);
  EXPECT_EQ(set_config_option("st.late", nullptr, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false),
            1);
  EXPECT_EQ(value, 0);
}

// The model: for each open level, the session value (what commits) and the visible value (what SET LOCAL may
// hide).
TEST_F(GucTest, RandomNesting) {
  const char* given = std::getenv("BGW_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  SCOPED_TRACE("BGW_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  struct State {
    std::string session;
    std::string visible;
  };
  SetConfigOption("st.random", "start", PGC_USERSET, PGC_S_SESSION);
  std::string committed = "start";
  for (int round = 0; round < 300; ++round) {
    AtStart_GUC();
    std::vector<State> saved = {{committed, committed}};  // as each open level began
    State now = saved[0];
    for (int step = static_cast<int>(random() % 25); step > 0; --step) {
      const std::string value = "v" + std::to_string(random() % 50);
      switch (random() % 5) {
        case 0:
          saved.push_back(now);
          ASSERT_EQ(NewGUCNestLevel(), static_cast<int>(saved.size()));
          break;
        case 1:
          if (saved.size() > 1) {
            const bool commit = random() % 2;
            AtEOXact_GUC(commit, static_cast<int>(saved.size()));
            if (!commit) now = saved.back();
            saved.pop_back();
          }
          break;
        case 2:
          set("st.random", value, GUC_ACTION_LOCAL);
          now.visible = value;
          break;
        default:
          set("st.random", value, GUC_ACTION_SET);
          now = {value, value};
          break;
      }
      ASSERT_EQ(option("st.random"), now.visible);
    }
    while (saved.size() > 1) {
      const bool commit = random() % 2;
      AtEOXact_GUC(commit, static_cast<int>(saved.size()));
      if (!commit) now = saved.back();
      saved.pop_back();
      ASSERT_EQ(option("st.random"), now.visible);
    }
    const bool commit = random() % 2;
    AtEOXact_GUC(commit, 1);
    if (commit) committed = now.session;
    ASSERT_EQ(option("st.random"), committed);
    ASSERT_EQ(guc_find("st.random", false, true, 0)->stack, nullptr);
  }
}
