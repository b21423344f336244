// A fuzz target (tests/fuzz/run trace): metadata and a stream's bytes from anywhere. Whatever they are, reading must end, stay within the bytes, and give only
// values that can be used. The first two bytes are the size of the metadata, little endian; the stream is behind it.
#include <cstring>
#include <memory>
#include <string_view>

#include "read/metadata.hpp"
#include "read/stream_reader.hpp"

namespace {

using namespace ouro::read;

// What a printer would do with them.
std::uint64_t use(std::span<const Value> values) {
  std::uint64_t sum = 0;
  for (const Value& value : values) {
    sum += value.name().size() + value.nodes;
    switch (value.kind()) {
      case Kind::string:
      case Kind::blob:
        for (const char c : value.text()) sum += static_cast<unsigned char>(c);
        break;
      case Kind::enumeration: sum += value.label().size(); break;
      case Kind::bit_map:
        for (const Label& flag : value.type().labels) sum += value.holds(flag) ? 1 : 0;
        break;
      case Kind::array:
        for (std::uint32_t i = 0; value.is_packed() && i < value.count; ++i) sum += value.element(i).u;
        break;
      default: sum += value.count;
    }
  }
  return sum;
}

// Of exactly this size, so that a byte behind it is found out.
std::unique_ptr<char[]> copy(std::string_view bytes) {
  std::unique_ptr<char[]> out(new char[bytes.size()]);
  if (!bytes.empty()) std::memcpy(out.get(), bytes.data(), bytes.size());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t metadata_size = std::min(data[0] + std::size_t{256} * data[1], size - 2);
  const std::string_view all(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto text = metadata_text_of(all.substr(0, metadata_size));
  if (!text) return 0;
  const auto metadata = parse_metadata(*text);
  if (!metadata) return 0;
  const std::string_view bytes = all.substr(metadata_size);
  const std::unique_ptr<char[]> stream = copy(bytes);
  Stream info;
  DamageLog log;
  StreamReader reader(*metadata, info, {stream.get(), bytes.size()}, &log);
  static volatile std::uint64_t sink;
  while (reader.peek()) {
    const Event& event = reader.take();
    sink = sink + use(event.context()) + use(event.fields());
  }
  return 0;
}
