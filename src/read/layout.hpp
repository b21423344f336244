// read/layout.hpp -- turns declared types (tsdl.hpp) into types with a decoding plan, and resolves the references
// between them. One Layout per trace; scopes are opened in the order in which packets are decoded:
//
//   trace.packet.header > stream.packet.context > stream.event.header > stream.event.context > event.context > event.fields
//
// A type may refer to what was decoded before it: in its own structures, or in the scopes left of its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "read/metadata.hpp"
#include "read/tsdl.hpp"

namespace ouro::read {

class Layout {
 public:
  Layout(bool big_endian, std::size_t& slots) : big_endian_(big_endian), slots_(slots) {}

  // Lays out a whole scope. `name` is its dotted name. Scopes laid out later may refer to it until it is dropped.
  // `maps`: receives the name of the first clock an integer is mapped to, if it is empty.
  Result<Field> scope(const std::string& name, const tsdl::SpecPtr& spec, std::string& maps);
  // Forgets all scopes behind the first `kept`.
  void drop(std::size_t kept) { scopes_.resize(kept); }
  std::size_t count() const { return scopes_.size(); }

 private:
  struct Node;  // a structure being laid out, or laid out: raw names beside the types
  struct Scope {
    std::string name;
    std::shared_ptr<Node> root;
  };
  struct Pass;

  bool big_endian_;
  std::size_t& slots_;
  std::vector<Scope> scopes_;
  std::size_t nodes_ = 0;
};

}  // namespace ouro::read
