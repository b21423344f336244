// Plans as this very process has them in a session that it made itself.
#include <ouro/trace.hpp>

#include "recorded_process.hpp"

namespace ouro {
namespace {

class Plans : public RecordedProcess {
 protected:
  void SetUp() override {
    begin(rule("plans:*", "number >= 10"), 4096);
    ASSERT_EQ(attachments_.back().events(), 1u);
  }
  static void write(int first, int last) {
    for (int i = first; i <= last; ++i) OURO_EVENT("plans:one", "number", i);
  }
  void change(const std::string& filter) { set_rules(*session_, {rule("plans:*", filter)}); }
  trace::SessionView* view() const {
    for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k)
      if (trace::SessionView* view = trace::view_of(k); view != nullptr && view->generation == session_->generation()) return view;
    return nullptr;
  }
};

TEST_F(Plans, AnEventForWhosePlanThereIsNoRoomIsCountedEachTimeAndNeverWrittenWithoutItsFilter) {
  write(0, 19);
  ASSERT_NE(view(), nullptr);
  view()->plans_used.store(trace::kPlansSize - 64);  // as after thousands of changes
  change("number >= 15");
  write(0, 19);
  const record::Summary summary = finish();
  EXPECT_EQ(summary.events, 10u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::table_full)], 20u);
}

TEST_F(Plans, AFilterThatChangesHoldsFromTheNextEventOn) {
  write(0, 19);
  change("number >= 15");
  write(0, 19);
  change("number < 3");
  write(0, 19);
  EXPECT_EQ(finish().events, 10u + 5 + 3);
}

}  // namespace
}  // namespace ouro
