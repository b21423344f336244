#include "filter/lexer.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/textf.hpp"
#include "filter/pattern.hpp"

namespace ouro::filter {
namespace {

using Kind = abi::FilterOperandKind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<Token>& tokens) : text_(text), tokens_(tokens) {}

  std::optional<Mistake> run() {
    while (!mistake_) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      Token token;
      token.at = at_;
      if (at_ < text_.size()) take(token);
      tokens_.push_back(std::move(token));
      if (at_ >= text_.size() && tokens_.back().kind == Token::Kind::end) break;
    }
    return mistake_;
  }

 private:
  char peek(std::size_t n = 0) const { return at_ + n < text_.size() ? text_[at_ + n] : '\0'; }
  void fail(std::size_t at, std::string text) {
    if (!mistake_) mistake_ = Mistake{at, std::move(text)};
  }

  void take(Token& token) {
    const char c = peek();
    if (is_letter(c)) take_name(token);
    else if (is_digit(c) || (c == '-' && is_digit(peek(1)))) take_number(token);
    else if (c == '"') take_text(token);
    else take_symbol(token);
  }

  void take_name(Token& token) {
    token.kind = Token::Kind::name;
    while (is_letter(peek()) || is_digit(peek())) token.text += text_[at_++];
    if (token.text != "true" && token.text != "false") return;
    token.kind = Token::Kind::number;
    token.constant = Kind::unsigned_number;
    token.bits = token.text == "true" ? 1 : 0;
  }

  void take_symbol(Token& token) {
    token.kind = Token::Kind::symbol;
    for (const char* symbol : {"||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "&", "(", ")", "[", "]", "."})
      if (text_.substr(at_).starts_with(symbol)) {
        token.text = symbol;
        at_ += token.text.size();
        return;
      }
    const char c = peek();
    std::string hint;
    if (c == '=') hint = " (hint: == compares)";
    else if (c == '|') hint = " (hint: || is 'or')";
    else if (c == '\'') hint = " (hint: texts stand in \"\")";
    else if (c == '-') hint = " (hint: '-' stands before a number only)";
    else if (c == '~' || c == '+' || c == '*' || c == '/' || c == '%' || c == '^') hint = " (hint: filters do not calculate; & with a number masks)";
    fail(at_, quoted_character(text_, at_) + " has no meaning here" + hint);
    at_ = text_.size();
  }

  // [-] 0x HEX | 0o OCTAL | 0b BINARY | DECIMAL [. DIGITS] [e [+-] DIGITS]
  void take_number(Token& token) {
    token.kind = Token::Kind::number;
    const std::size_t begin = at_;
    const bool is_negative = peek() == '-';
    if (is_negative) ++at_;
    int base = 10;
    if (peek() == '0') {
      const char mark = peek(1);
      base = mark == 'x' || mark == 'X' ? 16 : mark == 'o' || mark == 'O' ? 8 : mark == 'b' || mark == 'B' ? 2 : 10;
    }
    if (base != 10) at_ += 2;
    const std::size_t digits = at_;
    while (is_letter(peek()) || is_digit(peek()) || (base == 10 && is_in_real(digits))) ++at_;
    const std::string_view word = text_.substr(digits, at_ - digits);
    if (base == 10 && is_real(word)) return settle_real(token, begin);
    if (base == 10 && word.size() > 1 && word[0] == '0' && is_digit(word[1]))
      return fail(begin, "a number that begins with 0 means two things: want " + std::string(is_negative ? "-" : "") +
                             std::string(word.substr(word.find_first_not_of('0') == std::string_view::npos ? word.size() - 1
                                                                                                           : word.find_first_not_of('0'))) +
                             ", or 0o... for base 8");
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    const auto used = static_cast<std::size_t>(end - word.data());
    if (error == std::errc::invalid_argument && word.empty()) return fail(at_, "want a digit of base " + std::to_string(base) + " here");
    if (error == std::errc::invalid_argument || used != word.size())
      return fail(digits + (error == std::errc::invalid_argument ? 0 : used),
                  quoted_character(text_, digits + (error == std::errc::invalid_argument ? 0 : used)) + " is no digit of base " +
                      std::to_string(base) + (base == 10 ? " (numbers have no units)" : ""));
    const bool fits = error == std::errc{} && (!is_negative || value <= std::uint64_t{1} << 63);
    if (!fits) return fail(begin, std::string(text_.substr(begin, at_ - begin)) + " does not fit in 64 bits");
    token.constant = is_negative && value != 0 ? Kind::signed_number : Kind::unsigned_number;
    token.bits = is_negative ? ~value + 1 : value;
  }

  // May the character at at_ go on a decimal number that began at `digits`?
  bool is_in_real(std::size_t digits) const {
    const char c = peek();
    if (c == '.') return is_digit(peek(1));
    const char before = at_ > digits ? text_[at_ - 1] : '\0';
    return (c == '+' || c == '-') && (before == 'e' || before == 'E') && is_digit(peek(1));
  }
  static bool is_real(std::string_view word) { return word.find_first_of(".eE") != std::string_view::npos; }

  void settle_real(Token& token, std::size_t begin) {
    const std::string_view word = text_.substr(begin, at_ - begin);
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const std::size_t used = begin + static_cast<std::size_t>(end - word.data());
    if (error == std::errc::result_out_of_range) return fail(begin, std::string(word) + " is beyond what an f64 holds");
    if (error != std::errc{} || used != at_) return fail(used, quoted_character(text_, used) + " does not belong to a number (numbers have no units)");
    token.constant = Kind::real_number;
    token.bits = __builtin_bit_cast(std::uint64_t, value);
  }

  void take_text(Token& token) {
    token.kind = Token::Kind::text;
    std::vector<Character> characters;
    for (++at_; peek() != '"'; ++at_) {
      if (at_ >= text_.size()) return fail(token.at, "this text does not end, want a \"");
      if (peek() == '\0') return fail(at_, "a text holds no byte 0");
      if (peek() == '\\') {
        if (!take_escape(characters)) return;
      } else {
        characters.push_back({peek(), false});
      }
    }
    ++at_;
    Pattern pattern = pattern_of(characters);
    token.constant = pattern.kind;
    token.text = std::move(pattern.text);
  }

  // Leaves at_ on its last character.
  bool take_escape(std::vector<Character>& characters) {
    const std::size_t begin = at_++;
    char c = peek();
    switch (c) {
      case 'n': c = '\n'; break;
      case 't': c = '\t'; break;
      case 'r': c = '\r'; break;
      case 'x': {
        unsigned value = 0;
        const char* digits = text_.data() + at_ + 1;
        const char* last = text_.data() + std::min(text_.size(), at_ + 3);
        const auto [end, error] = std::from_chars(std::min(digits, last), last, value, 16);
        if (error != std::errc{} || end != digits + 2 || value == 0) {
          fail(begin, "want two digits of base 16 behind \\x, and not 00");
          return false;
        }
        c = static_cast<char>(static_cast<unsigned char>(value));
        at_ += 2;
        break;
      }
      default:
        if (at_ < text_.size() && !is_letter(c) && !is_digit(c) && c != '\0') break;
        fail(begin, at_ < text_.size() ? "\\" + std::string(1, c) + " has no meaning, want \\n, \\t, \\r, \\xHH or \\ before a character that is no letter"
                                       : "this text does not end, want a \"");
        return false;
    }
    characters.push_back({c, true});
    return true;
  }

  std::string_view text_;
  std::vector<Token>& tokens_;
  std::size_t at_ = 0;
  std::optional<Mistake> mistake_;
};

}  // namespace

std::string quoted_character(std::string_view expression, std::size_t at) {
  const auto byte = static_cast<unsigned char>(expression[at]);
  if (byte == '\'') return "a single quote";
  if (byte < 0x20 || byte == 0x7f) return base::textf("byte 0x%02x", byte);
  std::size_t size = 1;
  while (byte >= 0xc0 && at + size < expression.size() && size < 4 && (static_cast<unsigned char>(expression[at + size]) & 0xc0) == 0x80) ++size;
  return "'" + std::string(expression.substr(at, size)) + "'";
}

std::optional<Mistake> split(std::string_view expression, std::vector<Token>& tokens) { return Lexer(expression, tokens).run(); }

}  // namespace ouro::filter
