// filter/test_event.hpp -- for tests only: an event class with bodies, and what filters say to them.
#pragma once
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <ouro/abi/schema.hpp>

#include "filter/bind.hpp"
#include "filter/filter.hpp"
#include "filter/run.hpp"

namespace ouro::filter::test {

using abi::FieldShape;
using abi::FieldType;
using Bytes = std::vector<std::byte>;

template <class T>
void put(Bytes& to, const T& value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  to.insert(to.end(), begin, begin + sizeof value);
}
inline void put_text(Bytes& to, const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.c_str());
  to.insert(to.end(), begin, begin + text.size() + 1);
}

struct FieldSpec {
  std::string name;
  FieldType type{};
  FieldShape shape = FieldShape::scalar;
  std::uint32_t count = 0;
  std::vector<std::pair<std::int64_t, std::string>> labels;
};

inline Bytes schema_of(const std::vector<FieldSpec>& fields, const std::string& name = "shop:order") {
  Bytes out;
  put(out, abi::SchemaHeader{0, abi::kSchemaVersion, abi::EventKind::point, abi::Level::info, static_cast<std::uint8_t>(fields.size()), 42});
  put_text(out, name);
  put_text(out, "shop.cpp");
  for (const FieldSpec& f : fields) {
    put(out, abi::FieldHeader{f.type, f.shape, 0, 0, f.count, static_cast<std::uint16_t>(f.labels.size())});
    put_text(out, f.name);
    for (const auto& [value, text] : f.labels) {
      put(out, value);
      put_text(out, text);
    }
  }
  const auto size = static_cast<std::uint32_t>(out.size());
  std::memcpy(out.data(), &size, sizeof size);
  return out;
}

// One event: a schema and a body, built field by field.
class Event {
 public:
  template <class T>
  Event& scalar(const std::string& name, T value, std::vector<std::pair<std::int64_t, std::string>> labels = {}) {
    fields.push_back({name, type_of<T>(), FieldShape::scalar, 0, std::move(labels)});
    put(body, value);
    return *this;
  }
  Event& text(const std::string& name, const std::string& value) {
    fields.push_back({name, FieldType::string, FieldShape::scalar, 0, {}});
    put_text(body, value);
    return *this;
  }
  template <class T>
  Event& array(const std::string& name, const std::vector<T>& values) {
    fields.push_back({name, type_of<T>(), FieldShape::array, static_cast<std::uint32_t>(values.size()), {}});
    for (const T& value : values) put(body, value);
    return *this;
  }
  template <class T>
  Event& sequence(const std::string& name, const std::vector<T>& values) {
    fields.push_back({name, type_of<T>(), FieldShape::sequence, 0, {}});
    put(body, static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) put(body, value);
    return *this;
  }
  Bytes schema() const { return schema_of(fields); }

  template <class T>
  static FieldType type_of() {
    if constexpr (std::is_same_v<T, bool>) return FieldType::boolean;
    else if constexpr (std::is_same_v<T, const void*>) return FieldType::pointer;
    else if constexpr (std::is_same_v<T, float>) return FieldType::f32;
    else if constexpr (std::is_same_v<T, double>) return FieldType::f64;
    else return static_cast<FieldType>((std::is_signed_v<T> ? 4 : 0) + (sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3));
  }

  std::vector<FieldSpec> fields;
  Bytes body;
};

// A body that ends where its memory ends, at an odd address: AddressSanitizer sees each byte too many.
class Exact {
 public:
  explicit Exact(const Bytes& bytes) : memory_(new std::byte[bytes.size() + 1]), size_(bytes.size()) {
    if (size_ != 0) std::memcpy(memory_ + 1, bytes.data(), size_);
  }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() { delete[] memory_; }
  const std::byte* data() const { return memory_ + 1; }
  std::size_t size() const { return size_; }

 private:
  std::byte* memory_;
  std::size_t size_;
};

inline bool verdict(const Bound& bound, const Bytes& body, const Contexts& contexts = KnownContexts{}) {
  const Exact exact(body);
  return run(bound, exact.data(), exact.size(), contexts);
}

// "yes", "no", or what is wrong, as people see it.
inline std::string ask(const std::string& expression, const Event& event, const Contexts& contexts = KnownContexts{}) {
  Filter filter;
  if (const auto mistake = compile(expression, filter)) return render(*mistake, expression);
  const Bytes schema = event.schema();
  if (const auto mistake = check(filter, schema)) return render(*mistake, expression);
  std::vector<std::byte> memory(bound_size(filter.code));
  const BindResult result = filter::bind(filter.code, schema, memory);
  if (!result) return "bind: " + std::to_string(static_cast<int>(result.status));
  return verdict(*result.bound, event.body, contexts) ? "yes" : "no";
}

}  // namespace ouro::filter::test
