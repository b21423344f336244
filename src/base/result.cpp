#include <ouro/result.hpp>

#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "base/textf.hpp"

namespace ouro {

void detail::DropError::operator()(const Error* error) const noexcept { delete error; }
detail::KeptError detail::keep(const Error& error) { return KeptError(new Error(error)); }

Error errorf(int code, const char* format, ...) {
  va_list args;
  va_start(args, format);
  Error error{code, base::vtextf(format, args)};
  va_end(args);
  return error;
}

Error error_from_errno(const char* format, ...) {
  const int code = errno;
  va_list args;
  va_start(args, format);
  Error error{code, base::vtextf(format, args)};
  va_end(args);
  error.text += ": ";
  error.text += std::strerror(code);
  return error;
}

}  // namespace ouro
