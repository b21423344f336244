// tests/trace/recorded_process.hpp -- this very process in a session that the test makes, and a recorder that draws its trace.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "filter/filter.hpp"
#include "record/attachment.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/session_rules.hpp"
#include "record/test_session.hpp"
#include "trace/tracer.hpp"

namespace ouro {

class RecordedProcess : public ::testing::Test {
 protected:
  // `filter` empty: none.
  static record::Rule rule(const std::string& name, const std::string& filter = {}) {
    record::Rule out;
    out.name = name;
    out.filter = filter;
    if (!filter.empty()) out.code = filter::compile(filter)->code;
    return out;
  }

  // In SetUp().
  void begin(const record::Rule& of_session, std::uint64_t subbuf_size) {
    Result<record::Target> found = record::find_target(::getpid());
    ASSERT_TRUE(found) << found.error().text;
    target_.emplace(std::move(*found));
    std::snprintf(runtime_.path, sizeof runtime_.path, "%s", trace::tracer.directory);
    options_ = record::test::small_session();
    options_.name = "all-" + std::to_string(::getpid());
    options_.cpus = 0;
    options_.subbuf_size = subbuf_size;
    options_.rules = {of_session};
    Result<record::Session> made = record::Session::create(runtime_, options_);
    ASSERT_TRUE(made) << made.error().text;
    session_.emplace(std::move(*made));
    Result<record::TraceFolder> folder = record::TraceFolder::create(files_.in("trace"));
    ASSERT_TRUE(folder) << folder.error().text;
    folder_.emplace(std::move(*folder));
    recorder_.emplace(*session_, *folder_, record::Recorder::Options{{}, [](const std::string& text) { ADD_FAILURE() << text; }});
    attach(*session_);
  }
  void attach(const record::Session& session) {
    attachments_.emplace_back(session, trace::tracer.directory);
    ASSERT_TRUE(attachments_.back().add(*target_));
  }
  // As `ouro enable` does.
  void set_rules(const record::Session& session, const std::vector<record::Rule>& rules) {
    Result<record::SessionRules> file = record::SessionRules::open(trace::tracer.directory, session.file());
    ASSERT_TRUE(file) << file.error().text;
    Result<record::SessionRules::Change> change = file->change();
    ASSERT_TRUE(change) << change.error().text;
    const Result<std::vector<std::byte>> set = change->set(rules);
    ASSERT_TRUE(set) << set.error().text;
    for (const std::string& path : record::find_registries(trace::tracer.directory, ::getpid())) {
      Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_write, ::geteuid());
      if (registry && target_->owns(*registry)) {
        EXPECT_TRUE(registry->attach(session.session_name(), *set));
      }
    }
  }
  record::Summary finish() {
    session_->close();
    return recorder_->finish();
  }

  record::test::TestFolder files_;
  base::RuntimeDir runtime_{};
  record::SessionOptions options_;
  std::optional<record::Target> target_;
  std::optional<record::Session> session_;
  std::optional<record::TraceFolder> folder_;
  std::optional<record::Recorder> recorder_;
  std::deque<record::Attachment> attachments_;
};

}  // namespace ouro
