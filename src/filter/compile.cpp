// The grammar. `&` binds closer than comparisons, unlike in C, where flags & 4 == 4 is flags & (4 == 4).
//
//   either     = both { "||" both }
//   both       = denial { "&&" denial }
//   denial     = "!" ( denial | masked ) | comparison
//   comparison = masked [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) masked ]
//   masked     = unit [ "&" unit ]                       one of them a number
//   unit       = "(" either ")" | number | text | name | name "[" number "]" | "len" "(" name ")" | "ctx" "." name
//
// What is in parentheses is a condition or, if there is no comparison in it, an operand: (flags & 4) == 4.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "filter/filter.hpp"
#include "filter/lexer.hpp"

namespace ouro::filter {
namespace {

using abi::FilterCompare;
using Kind = abi::FilterOperandKind;

constexpr std::size_t kMaxDepth = 64;
constexpr std::uint64_t kNoMask = ~std::uint64_t{0};

bool is_constant(Kind k) { return k >= Kind::unsigned_number; }
bool is_text(Kind k) { return k >= Kind::text_exact; }

struct Operand {
  Kind kind{};
  std::size_t at = 0;
  std::string text;
  std::uint32_t index = 0;
  std::uint64_t value = kNoMask;  // a mask, or a constant's bits
};

struct Node {
  enum class Is : std::uint8_t { operand, comparison, both, either, denial } is = Is::operand;
  std::size_t at = 0;
  Operand left, right;  // an operand is `left`
  FilterCompare compare{};
  std::unique_ptr<Node> first, second;
  std::size_t terms = 0;  // comparisons in it
};
using NodePtr = std::unique_ptr<Node>;

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  // Null: there is a mistake.
  NodePtr run() {
    NodePtr all = either();
    if (all && token().kind != Token::Kind::end)
      return fail(token().at, seen() + " follows what was already whole, want && or ||" +
                                  (sees(")") ? " (no parenthesis is open)" : ""));
    return condition(std::move(all));
  }
  std::optional<Mistake> mistake;

 private:
  const Token& token() const { return tokens_[next_]; }
  bool sees(std::string_view symbol) const { return token().kind == Token::Kind::symbol && token().text == symbol; }
  bool take(std::string_view symbol) {
    if (!sees(symbol)) return false;
    ++next_;
    return true;
  }
  std::string seen() const {
    if (token().kind == Token::Kind::end) return "the end";
    const std::size_t end = next_ + 1 < tokens_.size() ? tokens_[next_ + 1].at : text_.size();
    std::string_view word = text_.substr(token().at, end - token().at);
    word = word.substr(0, word.find_last_not_of(" \t\n\v\f\r") + 1);
    return token().kind == Token::Kind::text ? std::string(word) : "'" + std::string(word) + "'";
  }
  NodePtr fail(std::size_t at, std::string text) {
    if (!mistake) mistake = Mistake{at, std::move(text)};
    return nullptr;
  }

  NodePtr join(Node::Is is, NodePtr first, NodePtr second) {
    first = condition(std::move(first));
    second = condition(std::move(second));
    if (!first || !second) return nullptr;
    auto node = std::make_unique<Node>();
    node->is = is;
    node->at = first->at;
    node->terms = first->terms + second->terms;
    node->first = std::move(first);
    node->second = std::move(second);
    return node;
  }
  NodePtr either() {
    NodePtr node = both();
    while (node && take("||")) node = join(Node::Is::either, std::move(node), both());
    return node;
  }
  NodePtr both() {
    NodePtr node = denial();
    while (node && take("&&")) node = join(Node::Is::both, std::move(node), denial());
    return node;
  }

  NodePtr denial() {
    if (depth_ == kMaxDepth) return fail(token().at, "this is deeper than " + std::to_string(kMaxDepth) + " levels of ( and !");
    if (!sees("!")) return comparison();
    const std::size_t at = token().at;
    ++next_;
    ++depth_;
    NodePtr inner = sees("!") ? denial() : masked();
    --depth_;
    if (inner && take_compare()) return fail(at, "'!' before a comparison: want !(...) around it, or the contrary comparison");
    inner = condition(std::move(inner));
    if (!inner) return nullptr;
    auto node = std::make_unique<Node>();
    node->is = Node::Is::denial;
    node->at = at;
    node->terms = inner->terms;
    node->first = std::move(inner);
    return node;
  }

  std::optional<FilterCompare> take_compare() {
    static constexpr const char* symbols[] = {"==", "!=", "<", "<=", ">", ">="};
    for (std::uint8_t i = 0; i < 6; ++i)
      if (take(symbols[i])) return static_cast<FilterCompare>(i);
    return std::nullopt;
  }

  NodePtr comparison() {
    NodePtr left = masked();
    if (!left) return nullptr;
    const std::size_t at = token().at;
    const std::optional<FilterCompare> compare = take_compare();
    if (!compare) return left;
    if (left->is != Node::Is::operand) return fail(at, "a condition is not compared (hint: a < b && b < c)");
    NodePtr right = masked();
    if (!right) return nullptr;
    if (right->is != Node::Is::operand) return fail(right->at, "a condition is not compared, want a field or a constant");
    const std::size_t behind = token().at;
    if (take_compare()) return fail(behind, "a condition is not compared (hint: a < b && b < c)");
    return compared(std::move(left->left), *compare, at, std::move(right->left));
  }
  NodePtr compared(Operand left, FilterCompare compare, std::size_t at, Operand right) {
    if (is_constant(left.kind) && is_constant(right.kind))
      return fail(at, "both sides are constants, want a field or a context on one of them");
    for (const Operand* side : {&left, &right})
      if (compare > FilterCompare::not_equal && is_text(side->kind)) return fail(side->at, "texts are compared with == and !=, they have no order here");
    if (++terms_ > abi::kMaxFilterTerms) return fail(left.at, "too long: want at most " + std::to_string(abi::kMaxFilterTerms) + " comparisons");
    auto node = std::make_unique<Node>();
    node->is = Node::Is::comparison;
    node->at = left.at;
    node->terms = 1;
    node->left = std::move(left);
    node->compare = compare;
    node->right = std::move(right);
    return node;
  }
  // An operand by itself is a condition: it is not 0.
  NodePtr condition(NodePtr node) {
    if (!node || node->is != Node::Is::operand) return node;
    if (is_constant(node->left.kind)) return fail(node->left.at, "a constant by itself is no condition, want a comparison");
    Operand zero;
    zero.kind = Kind::unsigned_number;
    zero.at = node->left.at;
    zero.value = 0;
    const std::size_t at = node->left.at;
    return compared(std::move(node->left), FilterCompare::not_equal, at, std::move(zero));
  }

  NodePtr masked() {
    NodePtr node = unit();
    while (node && sees("&")) {
      const std::size_t at = token().at;
      ++next_;
      NodePtr other = unit();
      if (!other) return nullptr;
      if (node->is != Node::Is::operand || other->is != Node::Is::operand)
        return fail(at, "'&' masks a number, want && between conditions");
      Operand &a = node->left, &b = other->left;
      if (is_constant(a.kind) == is_constant(b.kind)) return fail(is_constant(a.kind) ? at : b.at, "'&' wants a constant on one side and a field on the other");
      const Operand& mask = is_constant(a.kind) ? a : b;
      if (mask.kind != Kind::unsigned_number) return fail(mask.at, "a mask is a whole number that is not negative");
      if (mask.value == kNoMask) return fail(mask.at, "a mask of 64 ones masks nothing");
      Operand& what = is_constant(a.kind) ? b : a;
      what.value &= mask.value;
      if (&what == &b) node = std::move(other);
    }
    return node;
  }

  NodePtr unit() {
    auto node = std::make_unique<Node>();
    node->at = token().at;
    Operand& o = node->left;
    o.at = token().at;
    switch (token().kind) {
      case Token::Kind::symbol: return sees("(") ? group() : fail(token().at, "want a field, a context or a constant here, not " + seen());
      case Token::Kind::end: return fail(token().at, next_ == 0 ? "an empty filter, want a condition" : "want a field, a context or a constant here, not the end");
      case Token::Kind::number:
        o.value = token().bits;
        [[fallthrough]];
      case Token::Kind::text:
        o.kind = token().constant;
        o.text = token().text;
        ++next_;
        return node;
      case Token::Kind::name: break;
    }
    o.text = token().text;
    ++next_;
    if (o.text == "ctx" && take(".")) return context(std::move(node));
    if (o.text == "len" && take("(")) return length(std::move(node));
    if (sees("(")) return fail(o.at, "'" + o.text + "' is no function, want len(...)");
    if (take("[")) return element(std::move(node));
    if (sees(".")) return fail(token().at, "fields have no parts (hint: ctx.NAME is a context)");
    return node;
  }
  NodePtr group() {
    const std::size_t at = token().at;
    ++next_;
    ++depth_;
    NodePtr node = either();
    --depth_;
    if (!node) return nullptr;
    if (!take(")")) return fail(token().at, "want ) here, not " + seen() + " (opened at character " + std::to_string(at + 1) + ")");
    node->at = at;
    return node;
  }
  NodePtr context(NodePtr node) {
    Operand& o = node->left;
    o.kind = Kind::context;
    o.text = token().text;
    const bool is_known = std::any_of(std::begin(abi::kFilterContextNames), std::end(abi::kFilterContextNames),
                                      [&](const char* name) { return o.text == name; });
    if (token().kind != Token::Kind::name || !is_known) {
      std::string list;
      for (const char* name : abi::kFilterContextNames) list += (list.empty() ? "" : ", ") + std::string(name);
      return fail(token().at, seen() + " is no context, want one of " + list);
    }
    ++next_;
    return node;
  }
  NodePtr length(NodePtr node) {
    Operand& o = node->left;
    o.kind = Kind::length;
    if (token().kind != Token::Kind::name) return fail(token().at, "want a field's name in len(...), not " + seen());
    o.at = token().at;
    o.text = token().text;
    ++next_;
    if (!take(")")) return fail(token().at, "want ) behind the field's name, not " + seen());
    return node;
  }
  NodePtr element(NodePtr node) {
    Operand& o = node->left;
    o.kind = Kind::element;
    const bool fits = token().kind == Token::Kind::number && token().constant == Kind::unsigned_number && token().bits <= UINT32_MAX;
    if (!fits) return fail(token().at, "want an element's number, from 0 on, not " + seen());
    o.index = static_cast<std::uint32_t>(token().bits);
    ++next_;
    if (!take("]")) return fail(token().at, "want ] behind the element's number, not " + seen());
    return node;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0, depth_ = 0, terms_ = 0;
};

class Emitter {
 public:
  // False: the code gets too long.
  bool run(const Node& root, Filter& filter) {
    emit(root, 0, abi::kFilterAccept, abi::kFilterReject);
    if (pool_.empty()) pool_.push_back('\0');
    const std::size_t size = sizeof(abi::FilterHeader) + terms_.size() * sizeof(abi::FilterTerm) + pool_.size();
    if (size > abi::kMaxFilterSize) return false;
    const abi::FilterHeader header{static_cast<std::uint32_t>(size), abi::kFilterVersion, 0, static_cast<std::uint16_t>(terms_.size())};
    filter.code.clear();
    add(filter.code, &header, sizeof header);
    add(filter.code, terms_.data(), terms_.size() * sizeof(abi::FilterTerm));
    add(filter.code, pool_.data(), pool_.size());
    filter.places = std::move(places_);
    return true;
  }
  std::size_t size() const { return sizeof(abi::FilterHeader) + terms_.size() * sizeof(abi::FilterTerm) + pool_.size(); }

 private:
  static void add(std::vector<std::byte>& to, const void* bytes, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(bytes);
    to.insert(to.end(), begin, begin + size);
  }

  // `start`: the number of its first term. Terms are numbered as they stand in the text, so all ways lead on.
  void emit(const Node& node, std::size_t start, std::uint16_t yes, std::uint16_t no) {
    switch (node.is) {
      case Node::Is::denial: return emit(*node.first, start, no, yes);
      case Node::Is::both:
      case Node::Is::either: {
        const std::size_t second = start + node.first->terms;
        const auto further = static_cast<std::uint16_t>(second);
        if (node.is == Node::Is::both) emit(*node.first, start, further, no);
        else emit(*node.first, start, yes, further);
        return emit(*node.second, second, yes, no);
      }
      case Node::Is::comparison:
      case Node::Is::operand: break;
    }
    terms_.push_back({node.compare, {}, yes, no, encoded(node.left), encoded(node.right)});
    places_.push_back({node.left.at, node.right.at});
  }
  abi::FilterOperand encoded(const Operand& o) {
    return {o.kind, 0, has_text(o.kind) ? pooled(o.text) : std::uint16_t{0}, o.index, o.value};
  }
  static bool has_text(Kind k) { return !is_constant(k) || is_text(k); }
  std::uint16_t pooled(const std::string& text) {
    for (std::size_t at = 0; at < pool_.size(); at += std::strlen(pool_.data() + at) + 1)
      if (text == pool_.data() + at) return static_cast<std::uint16_t>(at);
    const std::size_t at = pool_.size();
    pool_.insert(pool_.end(), text.begin(), text.end());
    pool_.push_back('\0');
    return static_cast<std::uint16_t>(at);  // cut off only if the code is too long anyway
  }

  std::vector<abi::FilterTerm> terms_;
  std::vector<Filter::Places> places_;
  std::vector<char> pool_;
};

}  // namespace

std::optional<Mistake> compile(std::string_view text, Filter& filter) {
  std::vector<Token> tokens;
  if (auto mistake = split(text, tokens)) return mistake;
  Parser parser(text, std::move(tokens));
  const NodePtr root = parser.run();
  if (!root) return parser.mistake;
  Emitter emitter;
  if (!emitter.run(*root, filter))
    return Mistake{0, "too long: " + std::to_string(emitter.size()) + " bytes as code, want at most " + std::to_string(abi::kMaxFilterSize)};
  filter.text = text;
  return std::nullopt;
}

Result<Filter> compile(std::string_view text) {
  Filter filter;
  if (const auto mistake = compile(text, filter)) return Error{EINVAL, render(*mistake, text)};
  return filter;
}

}  // namespace ouro::filter
