// ouro/result.hpp -- how operations that can fail answer: files, sockets, another process's bytes. Loss of records
// is not an error but data (ring/reader.hpp), and our own bugs are assertions.
//
// An error's text says object, value seen, value wanted and hint, in that order, on one line, without a final stop:
//   "ring 'app-4711/cpu3': magic is 0, want 0x316e6f6973736573 (is the program still starting?)"
#pragma once
#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace ouro {

struct Error {
  int code = 0;      // an errno value; EINVAL for bad contents
  std::string text;
};

// printf-like. A `code` other than 0 does not add strerror's text: say "%m"-like things with error_from_errno.
[[gnu::format(printf, 2, 3)]] Error errorf(int code, const char* format, ...);
// The same, with ": " and strerror(errno) at the end.
[[gnu::format(printf, 1, 2)]] Error error_from_errno(const char* format, ...);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { assert(*this); return *std::get_if<0>(&state_); }
  const T& operator*() const { assert(*this); return *std::get_if<0>(&state_); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  const Error& error() const { assert(!*this); return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace ouro
