// Owners release through their tree, children first, and call the callbacks in every phase with the owner
// concerned as the current one.
#include <gtest/gtest.h>

extern "C" {
#include "postgres.h"
#include "utils/resowner.h"
}

namespace {

std::string calls;
ResourceOwner parent, child;
void note(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void* arg) {
  calls += CurrentResourceOwner == parent ? "p" : CurrentResourceOwner == child ? "c" : "?";
  calls += static_cast<char>('0' + phase);
  calls += static_cast<const char*>(arg);
  if (isCommit) calls += "!";
}

TEST(ResourceOwnerTest, CallbacksRunForTheWholeTree) {
  ResourceOwner before = CurrentResourceOwner;
  parent = ResourceOwnerCreate(nullptr, "parent");
  child = ResourceOwnerCreate(parent, "child");
  EXPECT_EQ(ResourceOwnerGetParent(child), parent);
  RegisterResourceReleaseCallback(note, const_cast<char*>("a"));
  RegisterResourceReleaseCallback(note, const_cast<char*>("b"));
  calls.clear();
  ResourceOwnerRelease(parent, RESOURCE_RELEASE_BEFORE_LOCKS, true, true);
  EXPECT_EQ(calls, "c0b!c0a!p0b!p0a!");
  EXPECT_EQ(CurrentResourceOwner, before);
  UnregisterResourceReleaseCallback(note, const_cast<char*>("b"));
  calls.clear();
  ResourceOwnerNewParent(child, nullptr);
  ResourceOwnerRelease(parent, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
  EXPECT_EQ(calls, "p2a");
  UnregisterResourceReleaseCallback(note, const_cast<char*>("a"));
  ResourceOwnerNewParent(child, parent);
  ResourceOwnerDelete(parent);
}

}  // namespace
