// read/json.cpp -- nlohmann's parser tells what it meets, we build the tree: so depth and size have bounds of ours. It keeps no call stack of its own.
#include "read/json.hpp"

#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/textf.hpp"

namespace ouro::read {
namespace {

constexpr std::size_t kMaxDepth = 400;  // 64 types, each inside an array of objects
constexpr std::size_t kMaxValues = 1 << 20;

class Tree : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add({}) != nullptr; }
  bool boolean(bool value) override { return scalar(Json::Kind::boolean, value ? 1 : 0); }
  bool number_integer(number_integer_t value) override { return scalar(Json::Kind::integer, static_cast<std::uint64_t>(value), value < 0); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(Json::Kind::integer, value); }
  bool number_float(number_float_t, const string_t&) override { return scalar(Json::Kind::real, 0); }
  bool string(string_t& value) override {
    Json json;
    json.kind = Json::Kind::text;
    json.text = std::move(value);
    return add(std::move(json)) != nullptr;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::Kind::object); }
  bool start_array(std::size_t) override { return open(Json::Kind::array); }
  bool key(string_t& name) override {
    open_.back()->names.push_back(std::move(name));
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) override {
    const std::string seen = base::printable(token.substr(token.size() > 40 ? token.size() - 40 : 0));
    error_ = errorf(EINVAL, "no JSON at its byte %zu, behind '%s'", position, seen.c_str());
    return false;
  }

  Result<Json> take(bool parsed) {
    if (!parsed) return error_.text.empty() ? errorf(EINVAL, "no JSON") : error_;
    return std::move(root_);
  }

 private:
  bool scalar(Json::Kind kind, std::uint64_t bits, bool is_negative = false) {
    Json json;
    json.kind = kind;
    json.bits = bits;
    json.is_negative = is_negative;
    return add(std::move(json)) != nullptr;
  }
  // What is open are last items, so none of them moves while it is.
  Json* add(Json json) {
    if (++values_ > kMaxValues) {
      error_ = errorf(EINVAL, "more than %zu JSON values", kMaxValues);
      return nullptr;
    }
    if (open_.empty()) return &(root_ = std::move(json));
    return &open_.back()->items.emplace_back(std::move(json));
  }
  bool open(Json::Kind kind) {
    if (open_.size() >= kMaxDepth) {
      error_ = errorf(EINVAL, "JSON nested more deeply than %zu levels", kMaxDepth);
      return false;
    }
    Json json;
    json.kind = kind;
    Json* const added = add(std::move(json));
    if (added != nullptr) open_.push_back(added);
    return added != nullptr;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> open_;
  std::size_t values_ = 0;
  Error error_;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return &items[i];
  return nullptr;
}

const char* Json::kind_name() const {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "a boolean";
    case Kind::integer: return "an integer";
    case Kind::real: return "a number that is no 64-bit integer";
    case Kind::text: return "a string";
    case Kind::array: return "an array";
    case Kind::object: return "an object";
  }
  return "nothing";
}

Result<Json> parse_json(std::string_view text) {
  Tree tree;
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &tree);
  return tree.take(parsed);
}

}  // namespace ouro::read
