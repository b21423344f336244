// ouro/result.hpp -- how operations that can fail answer: files, sockets, another process's bytes. Loss of records
// is not an error but data (ring/reader.hpp), and our own bugs are assertions.
//
// An error's text says object, value seen, value wanted and hint, in that order, on one line, without a final stop:
//   "ring 'app-4711/cpu3': magic is 0, want 0x316e6f6973736573 (is the program still starting?)"
#pragma once
#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ouro {

struct Error {
  int code = 0;      // an errno value; EINVAL for bad contents
  std::string text;
};

// printf-like. A `code` other than 0 does not add strerror's text: say "%m"-like things with error_from_errno.
[[gnu::format(printf, 2, 3)]] Error errorf(int code, const char* format, ...);
// The same, with ": " and strerror(errno) at the end.
[[gnu::format(printf, 1, 2)]] Error error_from_errno(const char* format, ...);

namespace detail {
struct DropError {
  void operator()(const Error* error) const noexcept;
};
using KeptError = std::unique_ptr<const Error, DropError>;  // a pointer, so that results are small and cheap to hand on
KeptError keep(const Error& error);
}  // namespace detail

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(const Error& error) : error_(detail::keep(error)) {}
  // What was made as a U is a T.
  template <class U>
  explicit Result(Result<U>&& other) noexcept : error_(std::move(other.error_)) {
    if (other.value_) value_.emplace(std::move(*other.value_));
  }
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { assert(*this); return *value_; }
  const T& operator*() const { assert(*this); return *value_; }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  const Error& error() const { assert(!*this); return *error_; }

 private:
  template <class U>
  friend class Result;
  std::optional<T> value_;
  detail::KeptError error_;  // if there is no value
};

struct Ok {};
using Status = Result<Ok>;

}  // namespace ouro
