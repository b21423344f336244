#include <ouro/result.hpp>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace ouro {
namespace {

std::string vformat(const char* format, va_list args) {
  char text[1024];
  const int n = std::vsnprintf(text, sizeof text, format, args);
  return n < 0 ? std::string(format) : std::string(text);
}

}  // namespace

Error errorf(int code, const char* format, ...) {
  va_list args;
  va_start(args, format);
  Error error{code, vformat(format, args)};
  va_end(args);
  return error;
}

Error error_from_errno(const char* format, ...) {
  const int code = errno;
  va_list args;
  va_start(args, format);
  Error error{code, vformat(format, args)};
  va_end(args);
  error.text += ": ";
  error.text += std::strerror(code);
  return error;
}

}  // namespace ouro
