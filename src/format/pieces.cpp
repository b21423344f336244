#include "format/pieces.hpp"

#include <cctype>
#include <charconv>
#include <cstdio>

namespace ouro::format {

std::string piece_name(std::time_t begin, std::uint64_t number) {
  std::tm parts{};
  ::gmtime_r(&begin, &parts);
  char time[32], out[64];
  std::strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &parts);
  std::snprintf(out, sizeof out, "%s-%06llu", time, static_cast<unsigned long long>(number));
  return out;
}

std::optional<PieceName> parse_piece_name(std::string_view name) {
  PieceName out;
  out.is_part = name.ends_with(kPartSuffix);
  if (out.is_part) name.remove_suffix(kPartSuffix.size());
  constexpr std::string_view kForm = "00000000T000000Z-";
  if (name.size() < kForm.size() + 6 || name.size() > kForm.size() + 18) return std::nullopt;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char wanted = i < kForm.size() ? kForm[i] : '0';
    if (wanted == '0' ? std::isdigit(static_cast<unsigned char>(name[i])) == 0 : name[i] != wanted) return std::nullopt;
  }
  std::from_chars(name.data() + kForm.size(), name.data() + name.size(), out.number);
  return out;
}

}  // namespace ouro::format
