// Plans as this very process has them in a session that it made itself.
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>

#include <ouro/trace.hpp>

#include "filter/filter.hpp"
#include "record/attachment.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/session_rules.hpp"
#include "record/test_session.hpp"
#include "trace/tracer.hpp"

namespace ouro {
namespace {

std::vector<record::Rule> rules(const std::string& filter) {
  record::Rule rule;
  rule.name = "plans:*";
  rule.filter = filter;
  rule.code = filter::compile(filter)->code;
  return {rule};
}

class Plans : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<record::Target> found = record::find_target(::getpid());
    ASSERT_TRUE(found) << found.error().text;
    target_.emplace(std::move(*found));
    base::RuntimeDir runtime{};
    std::snprintf(runtime.path, sizeof runtime.path, "%s", trace::tracer.directory);
    record::SessionOptions options = record::test::small_session();
    options.name = "plans-" + std::to_string(::getpid());
    options.cpus = 0;
    options.rules = rules("number >= 10");
    Result<record::Session> made = record::Session::create(runtime, options);
    ASSERT_TRUE(made) << made.error().text;
    session_.emplace(std::move(*made));
    Result<record::TraceFolder> folder = record::TraceFolder::create(files_.in("trace"));
    ASSERT_TRUE(folder) << folder.error().text;
    folder_.emplace(std::move(*folder));
    recorder_.emplace(*session_, *folder_, record::Recorder::Options{{}, [](const std::string& text) { ADD_FAILURE() << text; }});
    attachment_.emplace(*session_, trace::tracer.directory);
    ASSERT_TRUE(attachment_->add(*target_));
    ASSERT_EQ(attachment_->events(), 1u);
  }
  static void write(int first, int last) {
    for (int i = first; i <= last; ++i) OURO_EVENT("plans:one", "number", i);
  }
  void change(const std::string& filter) {
    Result<record::SessionRules> file = record::SessionRules::open(trace::tracer.directory, session_->file());
    ASSERT_TRUE(file) << file.error().text;
    Result<record::SessionRules::Change> change = file->change();
    ASSERT_TRUE(change) << change.error().text;
    const Result<std::vector<std::byte>> set = change->set(rules(filter));
    ASSERT_TRUE(set) << set.error().text;
    for (const std::string& path : record::find_registries(trace::tracer.directory)) {
      Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_write, ::geteuid());
      if (registry && target_->owns(*registry)) {
        EXPECT_TRUE(registry->attach(session_->session_name(), *set));
      }
    }
  }
  trace::SessionView* view() const {
    for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k)
      if (trace::SessionView* view = trace::view_of(k); view != nullptr && view->generation == session_->generation()) return view;
    return nullptr;
  }

  record::test::TestFolder files_;
  std::optional<record::Target> target_;
  std::optional<record::Session> session_;
  std::optional<record::TraceFolder> folder_;
  std::optional<record::Recorder> recorder_;
  std::optional<record::Attachment> attachment_;
};

TEST_F(Plans, AnEventForWhosePlanThereIsNoRoomIsCountedEachTimeAndNeverWrittenWithoutItsFilter) {
  write(0, 19);
  ASSERT_NE(view(), nullptr);
  view()->plans_used.store(trace::kPlansSize - 64);  // as after thousands of changes
  change("number >= 15");
  write(0, 19);
  session_->close();
  const record::Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 10u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::table_full)], 20u);
}

TEST_F(Plans, AFilterThatChangesHoldsFromTheNextEventOn) {
  write(0, 19);
  change("number >= 15");
  write(0, 19);
  change("number < 3");
  write(0, 19);
  session_->close();
  EXPECT_EQ(recorder_->finish().events, 10u + 5 + 3);
}

}  // namespace
}  // namespace ouro
