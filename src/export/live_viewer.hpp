// export/live_viewer.hpp -- one viewer's side of what is served: requests in, answers out. No sockets.
//
// babeltrace2 merges the streams by time, and takes an event that is earlier than one it has printed for the end of the world. So it
// gets of a stream that has nothing new the time up to which nothing will come (`told`), and waits there for the others.
// Two streams that are told the same time make it warn, so each is told a little less than the one before.
// A packet that comes with earlier events all the same is left out for this viewer, and counted.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "export/live_protocol.hpp"
#include "export/live_trace.hpp"

namespace ouro::live {

struct LiveSession {
  std::string name;
  LiveTrace trace;
  std::uint32_t viewers = 0;
};

struct ViewerOptions {
  bool from_now = false;  // else all that the trace has, whatever the viewer asks for
  std::string host;
};

struct Served {
  std::uint64_t packets = 0, bytes = 0, late = 0;
};

class Viewer {
 public:
  // `sessions` must outlive it; session N has id N.
  Viewer(std::vector<LiveSession>& sessions, const ViewerOptions& options, std::uint64_t id) : sessions_(&sessions), options_(&options), id_(id) {}
  ~Viewer();
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;

  // Appends the answer. Error: it is to be hung up on.
  Status answer(const Request& request, Bytes& out);
  bool has_attached() const { return has_attached_; }
  bool is_attached() const { return !attached_.empty(); }
  const Served& served() const { return served_; }

 private:
  struct Stream {
    std::size_t next = 0;    // packet
    std::uint64_t told = 0;  // nothing earlier comes
    bool is_over = false;
  };
  struct Attached {
    std::vector<Stream> streams;  // of the trace's, those that there were
    bool has_preamble = false;
    std::size_t declarations = 0;  // that it has
  };
  // Where a stream's id leads; null if nowhere.
  struct Place {
    LiveSession* session = nullptr;
    Attached* attached = nullptr;
    std::size_t stream = 0;
    bool is_metadata = false;
  };
  Place place(std::uint64_t stream_id);
  void list(Bytes& out);
  void attach(const Request& request, Bytes& out);
  void detach(std::uint64_t session, Bytes& out);
  void new_streams(std::uint64_t session, Bytes& out);
  void next_index(std::uint64_t stream_id, Bytes& out);
  void packet(const Request& request, Bytes& out);
  void metadata(std::uint64_t stream_id, Bytes& out);

  std::vector<LiveSession>* sessions_;
  const ViewerOptions* options_;
  std::uint64_t id_;
  bool is_connected_ = false, has_attached_ = false;
  std::map<std::uint64_t, Attached> attached_;  // by session
  std::set<std::uint64_t> had_;                 // to their end
  Served served_;
};

}  // namespace ouro::live
