// read/tsdl_lexer.cpp -- see the header for what a token is.
#include "read/tsdl_lexer.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace ouro::read {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digit's value, or 99.
unsigned digit_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 99;
}

constexpr std::size_t kMaxTokens = 1 << 22;  // LTTng's of a whole kernel has a tenth of them

class Lexer {
 public:
  explicit Lexer(std::string_view in) : in_(in) {}

  Result<std::vector<Token>> run(std::string* trouble) {
    std::vector<Token> out;
    const auto end = [&](const Error& error) -> Result<std::vector<Token>> {
      if (trouble == nullptr) return error;
      *trouble = error.text;
      out.push_back(make(Token::Kind::end));
      return std::move(out);
    };
    for (;;) {
      if (Status ok = skip_space(); !ok) return end(ok.error());
      Result<Token> token = next();
      if (!token) return end(token.error());
      if (out.size() >= kMaxTokens) return errorf(EFBIG, "metadata line %u: more than %zu words and symbols", line_, kMaxTokens);
      out.push_back(std::move(*token));
      if (out.back().kind == Token::Kind::end) return out;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool at_end() const { return at_ >= in_.size(); }
  bool starts_with(std::string_view s) const { return in_.substr(at_, s.size()) == s; }

  void advance() {
    if (in_[at_] == '\n') ++line_;
    ++at_;
  }
  void skip_line() {
    while (!at_end() && peek() != '\n') advance();
  }

  Status skip_space() {
    while (!at_end()) {
      const char c = peek();
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
        advance();
      } else if (starts_with("\\\n") || starts_with("\\\r\n")) {
        advance();
      } else if (starts_with("//") || (c == '#' && (at_ == 0 || in_[at_ - 1] == '\n'))) {
        skip_line();
      } else if (starts_with("/*")) {
        const std::uint32_t begin = line_;
        const std::size_t end = in_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return errorf(EINVAL, "metadata line %u: comment does not end", begin);
        while (at_ < end + 2) advance();
      } else {
        break;
      }
    }
    return Ok{};
  }

  Token make(Token::Kind kind) const {
    Token token;
    token.kind = kind;
    token.line = line_;
    return token;
  }

  Result<Token> next() {
    if (at_end()) return make(Token::Kind::end);
    const char c = peek();
    if (c == '"') return text(0);
    if (c == 'L' && peek(1) == '"') return text(1);
    if (is_letter(c)) return word();
    if (is_digit(c)) return number();
    for (const char* symbol :
         {"...", ":=", "{", "}", "[", "]", "(", ")", "<", ">", ";", ":", ",", "=", ".", "*", "+", "-"}) {
      if (!starts_with(symbol)) continue;
      Token token = make(Token::Kind::symbol);
      token.text = symbol;
      at_ += token.text.size();
      return token;
    }
    return errorf(EINVAL, "metadata line %u: character 0x%02x has no meaning here", line_,
                  unsigned{static_cast<unsigned char>(c)});
  }

  Token word() {
    Token token = make(Token::Kind::word);
    while (is_letter(peek()) || is_digit(peek())) token.text += in_[at_++];
    return token;
  }

  Result<Token> number() {
    Token token = make(Token::Kind::number);
    const std::size_t begin = at_;
    unsigned base = 10;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      base = 16;
      at_ += 2;
    } else if (peek() == '0' && (peek(1) == 'b' || peek(1) == 'B')) {
      base = 2;
      at_ += 2;
    } else if (peek() == '0' && is_digit(peek(1))) {
      base = 8;
      ++at_;
    }
    const std::size_t digits = at_;
    for (; digit_value(peek()) < base; ++at_) {
      if (token.number > (~std::uint64_t{0} - digit_value(peek())) / base)
        return errorf(EINVAL, "metadata line %u: number does not fit in 64 bits", line_);
      token.number = token.number * base + digit_value(peek());
    }
    const bool has_digits = at_ > digits;
    while (peek() == 'u' || peek() == 'U' || peek() == 'l' || peek() == 'L') ++at_;
    if (!has_digits || is_letter(peek()) || is_digit(peek()))
      return errorf(EINVAL, "metadata line %u: '%.20s' is no number", line_,
                    std::string(in_.substr(begin, at_ + 1 - begin)).c_str());
    token.text = in_.substr(begin, at_ - begin);
    return token;
  }

  Result<Token> text(std::size_t prefix) {
    Token token = make(Token::Kind::text);
    at_ += prefix + 1;
    while (!at_end() && peek() != '"' && peek() != '\n') {
      if (peek() != '\\') {
        token.text += in_[at_++];
      } else if (const std::optional<char> c = escape()) {
        token.text += *c;
      } else {
        return errorf(EINVAL, "metadata line %u: text has an escape '\\%c', want one of C's", line_, peek(1));
      }
    }
    if (peek() != '"') return errorf(EINVAL, "metadata line %u: text does not end", token.line);
    ++at_;
    return token;
  }

  std::optional<char> escape() {
    static constexpr char from[] = "abfnrtv\\'\"?";
    static constexpr char to[] = "\a\b\f\n\r\t\v\\'\"?";
    const char c = peek(1);
    const char* simple = c != '\0' ? std::strchr(from, c) : nullptr;
    if (simple != nullptr) {
      at_ += 2;
      return to[simple - from];
    }
    const unsigned base = c == 'x' ? 16 : 8;
    const std::size_t digits = at_ + (c == 'x' ? 2 : 1);
    unsigned value = 0;
    std::size_t n = 0;
    while (n < (base == 16 ? 2u : 3u) && digits + n < in_.size() && digit_value(in_[digits + n]) < base)
      value = value * base + digit_value(in_[digits + n++]);
    if (n == 0 || value > 255) return std::nullopt;
    at_ = digits + n;
    return static_cast<char>(value);
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view tsdl, std::string* trouble) { return Lexer(tsdl).run(trouble); }

}  // namespace ouro::read
