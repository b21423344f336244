// read/tsdl_parser.cpp -- tokens to a Document, by recursive descent. The grammar, as far as CTF 1.8 gives it a use:
//
//   document   := statement*
//   statement  := ("trace" | "env" | "clock" | "stream" | "event" | "callsite") "{" entry* "}" ";"
//               | declaration ";"
//   entry      := path "=" value ";" | path ":=" type ";" | declaration ";"
//   declaration:= "typealias" type name-words ":=" ...      (see alias())
//               | "typedef" type declarator ("," declarator)*
//               | type                                      (a named struct, variant or enum)
//   type       := "integer" attrs | "floating_point" attrs | "string" attrs?
//               | "struct" NAME? ("{" member* "}")? ("align" "(" number ")")?
//               | "variant" NAME? ("<" path ">")? ("{" member* "}")?
//               | "enum" NAME? (":" type)? ("{" enumerator ("," enumerator)* ","? "}")?
//               | name-words                                (of a typealias or typedef)
//   member     := type declarator ("," declarator)* ";" | declaration ";"
//   declarator := NAME ("[" (number | path) "]")*
//
// Names live in scopes: those of an inner braces pair are not seen outside. Depth is bounded, so is recursion.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "base/textf.hpp"
#include "read/document.hpp"
#include "read/tsdl_lexer.hpp"

namespace ouro::read::doc {
namespace {

// Thrown and caught in this file alone: thirty levels of `if (!x) return x.error()` would hide the grammar.
struct Failure {
  Error error;
};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) { scopes_.emplace_back(); }

  void run() {
    while (peek().kind != Token::Kind::end) statement();
  }
  Document& document() { return document_; }

 private:
  using Scope = std::map<std::string, SpecPtr, std::less<>>;

  // ---- tokens

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ < tokens_.size() - 1 ? at_++ : at_]; }
  bool is(const char* text, std::size_t ahead = 0) const {
    const Token& t = peek(ahead);
    return (t.kind == Token::Kind::word || t.kind == Token::Kind::symbol) && t.text == text;
  }
  bool accept(const char* text) {
    if (!is(text)) return false;
    take();
    return true;
  }
  static std::string quoted(const std::string& text) {
    std::string out(1, '\'');
    out.append(text, 0, 40);
    out += '\'';
    return out;
  }
  [[noreturn]] void fail(const std::string& wanted) const {
    const Token& t = peek();
    std::string seen = "the end";
    if (t.kind != Token::Kind::end) seen = quoted(t.text);
    throw Failure{errorf(EINVAL, "metadata line %u: %s, want %s", t.line, base::printable(seen).c_str(), wanted.c_str())};
  }
  void expect(const char* text) {
    if (!accept(text)) fail(quoted(text));
  }
  std::string word(const char* what) {
    if (peek().kind != Token::Kind::word) fail(what);
    return take().text;
  }
  std::uint64_t number(const char* what) {
    if (peek().kind != Token::Kind::number) fail(what);
    return take().number;
  }

  // ---- statements

  void statement() {
    static const std::set<std::string, std::less<>> blocks = {"trace", "env", "clock", "stream", "event", "callsite"};
    if (peek().kind == Token::Kind::word && blocks.count(peek().text) != 0 && is("{", 1)) {
      const std::string kind = take().text;
      if (kind == "env") {
        env();
      } else {
        Block b = block();
        if (kind == "trace") document_.trace = std::move(b);
        if (kind == "clock") document_.clocks.push_back(std::move(b));
        if (kind == "stream") document_.streams.push_back(std::move(b));
        if (kind == "event") document_.events.push_back(std::move(b));
      }
      expect(";");
    } else if (!accept(";")) {
      declaration();
      expect(";");
    }
  }

  void env() {
    expect("{");
    while (!accept("}")) {
      std::string name = word("a name");
      expect("=");
      document_.env.emplace_back(std::move(name), value().text);
      expect(";");
    }
  }

  Block block() {
    Block out;
    out.line = peek().line;
    expect("{");
    scopes_.emplace_back();
    while (!accept("}")) {
      if (starts_declaration()) {
        declaration();
      } else {
        const std::string name = joined(path());
        if (accept(":="))
          out.types[name] = type();
        else if (accept("="))
          out.values[name] = value();
        else
          fail("'=' or ':='");
      }
      expect(";");
    }
    scopes_.pop_back();
    return out;
  }

  bool starts_declaration() const {
    for (const char* w : {"typealias", "typedef", "struct", "variant", "enum"})
      if (is(w)) return true;
    return false;
  }

  void declaration() {
    if (accept("typealias")) {
      alias();
    } else if (accept("typedef")) {
      const SpecPtr base = type();
      do {
        auto [name, spec] = declarator(base);
        scopes_.back()[name] = spec;
      } while (accept(","));
    } else {
      type();
    }
  }

  // typealias TYPE [declarator without a name] := NAME-WORDS
  void alias() {
    SpecPtr spec = type();
    while (accept("*")) continue;
    spec = lengths(std::move(spec));
    expect(":=");
    std::string name;
    while (peek().kind == Token::Kind::word || is("*")) name += (name.empty() ? "" : " ") + take().text;
    if (name.empty()) fail("a type's name");
    scopes_.back()[name] = std::move(spec);
  }

  // ---- values and paths

  std::vector<std::string> path() {
    std::vector<std::string> out;
    do {
      out.push_back(word("a name"));
    } while (accept("."));
    return out;
  }

  static Reference reference(const std::vector<std::string>& parts) {
    Reference out;
    out.path.assign(parts.begin(), parts.end());
    return out;
  }

  static std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (const std::string& part : parts) out += (out.empty() ? "" : ".") + part;
    return out;
  }

  std::uint64_t signed_number(const char* what) {
    const bool negative = accept("-");
    if (!negative) accept("+");
    const std::uint64_t magnitude = number(what);
    return negative ? 0 - magnitude : magnitude;
  }

  Value value() {
    Value out;
    if (peek().kind == Token::Kind::text) {
      out.is_text = true;
      out.text = take().text;
    } else if (peek().kind == Token::Kind::word) {
      out.is_text = true;
      out.text = joined(path());
    } else {
      const bool negative = is("-");
      out.bits = signed_number("a value");
      out.text = negative ? std::to_string(static_cast<std::int64_t>(out.bits)) : std::to_string(out.bits);
    }
    return out;
  }

  // ---- types

  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > static_cast<int>(kMaxDepth)) parser.fail("types nested less deeply");
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  SpecPtr type() {
    const Deeper deeper(*this);
    while (accept("const")) continue;
    SpecPtr out;
    if (is("integer") && is("{", 1)) {
      out = number_type(Spec::Kind::integer);
    } else if (is("floating_point") && is("{", 1)) {
      out = number_type(Spec::Kind::floating_point);
    } else if (is("string") && find("string") == nullptr) {
      out = string_type();
    } else if (is("struct")) {
      out = structure();
    } else if (is("variant")) {
      out = variant();
    } else if (is("enum")) {
      out = enumeration();
    } else {
      out = named_type();
    }
    while (accept("const")) continue;
    return out;
  }

  SpecPtr find(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if (const auto it = scope->find(name); it != scope->end()) return it->second;
    return nullptr;
  }

  // "unsigned long int", or a name of one word. Of several words, all are C's: else where would the name end.
  SpecPtr named_type() {
    static const std::set<std::string, std::less<>> c_words = {"unsigned", "signed", "long",     "short",
                                                               "int",      "char",   "float",    "double",
                                                               "void",     "_Bool",  "_Complex", "_Imaginary"};
    std::string name;
    while (peek().kind == Token::Kind::word && c_words.count(peek().text) != 0)
      name += (name.empty() ? "" : " ") + take().text;
    if (name.empty()) name = peek().kind == Token::Kind::word ? peek().text : "";
    SpecPtr spec = find(name);
    if (spec == nullptr) fail("a type that was declared before");
    if (peek().kind == Token::Kind::word && peek().text == name) take();
    while (is("*")) {
      take();
      name += " *";
      spec = find(name);
      if (spec == nullptr) fail("a declared pointer type, not " + quoted(name));
    }
    return spec;
  }

  Values attributes() {
    Values out;
    expect("{");
    while (!accept("}")) {
      const std::string name = joined(path());
      expect("=");
      out[name] = value();
      expect(";");
    }
    return out;
  }

  std::uint64_t number_of(const Values& values, const char* name, std::uint64_t missing) const {
    const auto it = values.find(name);
    if (it == values.end()) return missing;
    if (it->second.is_text) fail(std::string("a number for '") + name + "' in the type before");
    return it->second.bits;
  }

  static std::string text_of(const Values& values, const char* name) {
    const auto it = values.find(name);
    return it == values.end() ? std::string() : it->second.text;
  }

  SpecPtr number_type(Spec::Kind kind) {
    auto out = std::make_shared<Spec>();
    out->kind = kind;
    out->line = peek().line;
    take();
    const Values values = attributes();
    out->align = alignment(number_of(values, "align", 0));
    const std::string order = text_of(values, "byte_order");
    if (order == "le")
      out->order = ByteOrder::little;
    else if (order == "be" || order == "network")
      out->order = ByteOrder::big;
    else if (!order.empty() && order != "native")
      fail("byte_order le, be, network or native in the type before");
    if (kind == Spec::Kind::floating_point) {
      const std::uint64_t exponent = number_of(values, "exp_dig", 0), mantissa = number_of(values, "mant_dig", 0);
      if (!(exponent == 8 && mantissa == 24) && !(exponent == 11 && mantissa == 53))
        fail("exp_dig and mant_dig of 8 and 24 or 11 and 53 in the type before");
      out->bits = exponent + mantissa;
      out->is_signed = true;
      return out;
    }
    out->bits = number_of(values, "size", 0);
    if (out->bits < 1 || out->bits > 64) fail("a size of 1 to 64 bits in the integer before");
    const std::string sign = text_of(values, "signed");
    out->is_signed = sign == "true" || sign == "TRUE" || sign == "1";
    const std::string encoding = text_of(values, "encoding");
    out->is_text = !encoding.empty() && encoding != "none";
    out->base = base(text_of(values, "base"));
    out->clock = clock(text_of(values, "map"));
    return out;
  }

  std::uint64_t alignment(std::uint64_t bits) const {
    if (bits > kMaxAlign || (bits & (bits - 1)) != 0) fail("an alignment that is a power of two up to 2^30 before");
    return bits;
  }

  static std::uint8_t base(const std::string& text) {
    for (const char* name : {"hexadecimal", "hex", "x", "X", "p", "16"})
      if (text == name) return 16;
    for (const char* name : {"octal", "oct", "o", "8"})
      if (text == name) return 8;
    for (const char* name : {"binary", "b", "2"})
      if (text == name) return 2;
    return 10;
  }

  // "clock.NAME.value" -> NAME
  static std::string clock(const std::string& map) {
    const std::string front = "clock.", back = ".value";
    if (map.size() <= front.size() + back.size() || map.compare(0, front.size(), front) != 0) return {};
    return map.substr(front.size(), map.size() - front.size() - back.size());
  }

  SpecPtr string_type() {
    auto out = std::make_shared<Spec>();
    out->kind = Spec::Kind::string;
    out->line = take().line;
    if (is("{")) attributes();
    return out;
  }

  // Declared types can be nested by name, without any nesting of braces: so depth is counted in the types as well.
  void contain(Spec& outer, const Spec& inner) const {
    outer.depth = std::max(outer.depth, inner.depth + 1);
    if (outer.depth > kMaxDepth) fail("types nested less deeply");
  }

  // The body of a structure or variant: its members, in a scope of their own.
  void members(Spec& out) {
    expect("{");
    scopes_.emplace_back();
    std::set<std::string> names;
    while (!accept("}")) {
      if (is("typealias") || is("typedef")) {
        declaration();
      } else {
        const SpecPtr base = type();
        if (!is(";")) {
          do {
            auto [name, spec] = declarator(base);
            if (!names.insert(name).second) fail("members with names of their own, not " + quoted(name) + " twice");
            contain(out, *spec);
            out.members.push_back({std::move(name), std::move(spec)});
          } while (accept(","));
        }
      }
      expect(";");
    }
    scopes_.pop_back();
  }

  std::optional<std::string> tag_name(const char* keyword) {
    if (peek().kind != Token::Kind::word || is("align")) return std::nullopt;
    return std::string(keyword) + " " + take().text;
  }

  SpecPtr declared(const std::optional<std::string>& name, const char* what) const {
    const SpecPtr found = name ? find(*name) : nullptr;
    if (found == nullptr) fail(std::string("'{', or a ") + what + " that was declared before");
    return found;
  }

  SpecPtr structure() {
    auto out = std::make_shared<Spec>();
    out->kind = Spec::Kind::structure;
    out->line = take().line;
    const auto name = tag_name("struct");
    const bool has_body = is("{");
    if (has_body)
      members(*out);
    else
      *out = *declared(name, "struct");
    if (accept("align")) {
      expect("(");
      out->align = std::max(out->align, alignment(number("an alignment")));
      expect(")");
    }
    if (name && has_body) scopes_.back()[*name] = out;
    return out;
  }

  SpecPtr variant() {
    auto out = std::make_shared<Spec>();
    out->kind = Spec::Kind::variant;
    out->line = take().line;
    const auto name = tag_name("variant");
    std::vector<std::string> tag;
    if (accept("<")) {
      tag = path();
      expect(">");
    }
    const bool has_body = is("{");
    if (has_body)
      members(*out);
    else
      *out = *declared(name, "variant");
    if (!tag.empty()) out->from = reference(tag);
    if (name && has_body) scopes_.back()[*name] = out;
    return out;
  }

  SpecPtr enumeration() {
    auto out = std::make_shared<Spec>();
    out->kind = Spec::Kind::enumeration;
    out->line = take().line;
    const auto name = tag_name("enum");
    if (accept(":")) {
      out->element = type();
    } else if (is("{")) {
      out->element = find("int");
    }
    if (!is("{")) return declared(name, "enum");
    if (out->element == nullptr || out->element->kind != Spec::Kind::integer) fail("an integer type for the enum");
    enumerators(*out);
    if (name) scopes_.back()[*name] = out;
    return out;
  }

  void enumerators(Spec& out) {
    expect("{");
    std::uint64_t next = 0;
    while (!accept("}")) {
      Range e;
      if (peek().kind != Token::Kind::word && peek().kind != Token::Kind::text) fail("a label");
      e.text = take().text;
      e.low = accept("=") ? signed_number("a label's value") : next;
      e.high = accept("...") ? signed_number("the end of a label's range") : e.low;
      next = e.high + 1;
      const bool is_signed = out.element->is_signed;  // a number without a sign may be meant as bits
      e.low_is_negative = is_signed && e.low >> 63 != 0;
      e.high_is_negative = is_signed && e.high >> 63 != 0;
      out.labels.push_back(std::move(e));
      if (!accept(",") && !is("}")) fail("',' or '}'");
    }
  }

  std::pair<std::string, SpecPtr> declarator(SpecPtr base) {
    std::string name = word("a name");
    return {std::move(name), lengths(std::move(base))};
  }

  // a[2][3] is two of three: the last length is the innermost.
  SpecPtr lengths(SpecPtr base) {
    std::vector<std::shared_ptr<Spec>> outer;
    while (accept("[")) {
      if (outer.size() >= kMaxDepth) fail("fewer lengths");
      auto array = std::make_shared<Spec>();
      array->kind = Spec::Kind::array;
      array->line = peek().line;
      if (peek().kind == Token::Kind::number) {
        array->count = take().number;
      } else {
        array->from = reference(path());
      }
      expect("]");
      outer.push_back(std::move(array));
    }
    for (; !outer.empty(); outer.pop_back()) {
      contain(*outer.back(), *base);
      outer.back()->element = std::move(base);
      base = outer.back();
    }
    return base;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<Scope> scopes_;
  Document document_;
};

}  // namespace

Result<Document> parse_tsdl(std::string_view text, std::string* trouble) {
  Result<std::vector<Token>> tokens = tokenize(text, trouble);
  if (!tokens) return tokens.error();
  Parser parser(std::move(*tokens));
  try {
    parser.run();
  } catch (const Failure& failure) {
    if (trouble == nullptr || parser.document().streams.empty()) return failure.error;
    if (trouble->empty()) *trouble = failure.error.text;
  }
  return std::move(parser.document());
}

}  // namespace ouro::read::doc
