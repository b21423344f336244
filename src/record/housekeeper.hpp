// record/housekeeper.hpp -- what is done with traces that are whole, beside the recorder: a thread of its own, of the lowest
// priority, so that neither a disk that makes it wait nor work delays a ring.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"

namespace ouro::record {

class Housekeeper {
 public:
  // Of the traces in this folder.
  explicit Housekeeper(const std::string& folder);
  ~Housekeeper();

  void remove(const std::string& trace);
  // Its streams (record/compress.hpp), when nothing is to be removed.
  void compress(const std::string& trace);
  // What was done since it was asked last.
  struct Done {
    std::string trace;
    std::uint64_t bytes = 0;  // that it takes now
    std::string trouble;      // not empty: what went wrong
  };
  std::vector<Done> take_done();
  // Nothing is left to do.
  bool is_idle();
  // What is not compressed yet stays as it is.
  void stop_compressing();
  // Does what is left, and ends.
  void finish();

 private:
  void run();
  void add(std::deque<std::string>& to, const std::string& trace);
  void remove_now(const std::string& trace);
  void compress_now(const std::string& trace);
  bool remove_waiting(const std::string& compressing);

  std::string folder_;
  base::Fd fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> to_remove_, to_compress_;
  bool busy_ = false, stops_ = false;
  std::vector<Done> done_;
  bool ends_ = false;
  std::thread thread_;
};

// Names of what is in a folder, "." and ".." left out.
std::vector<std::string> entries_of(int folder);
// Nothing but what a recorder writes into a trace, and it is a trace of ours.
bool is_trace_of_ours(int folder, const std::string& name);
// Of a trace's files.
std::uint64_t bytes_of_trace(int folder, const std::string& name);

}  // namespace ouro::record
