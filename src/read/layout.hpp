// read/layout.hpp -- turns declared types (document.hpp) into types with a decoding plan, and resolves the references
// between them. One Layout per trace; scopes are opened in the order in which packets are decoded:
//
//   trace.packet.header > stream.packet.context > stream.event.header > stream.event.context > event.context > event.fields
//
// A type may refer to what was decoded before it: in its own structures, or in the scopes left of its own.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "read/document.hpp"
#include "read/metadata.hpp"

namespace ouro::read {

class Layout {
 public:
  // `big_endian`: what is of the trace's byte order.
  Layout(const doc::Document& document, bool big_endian, std::size_t& slots) : is_ctf2_(document.is_ctf2), big_endian_(big_endian), slots_(slots) {}

  // Lays out a whole scope. `name` is its dotted name. Scopes laid out later may refer to it until it is dropped.
  // `maps`: receives the name of the first clock an integer is mapped to, if it is empty.
  Result<Field> scope(const std::string& name, const doc::SpecPtr& spec, std::string& maps);
  // Forgets all scopes behind the first `kept`.
  void drop(std::size_t kept) {
    scopes_.resize(kept);
    slotted_.resize(kept != 0 ? scopes_.back().slotted : 0);
  }
  std::size_t count() const { return scopes_.size(); }

 private:
  struct Node;  // a type, and what it was declared as
  struct Scope {
    std::string name;
    std::shared_ptr<Node> root;
    std::size_t slotted = 0;  // size of slotted_ behind it
  };
  struct Pass;

  bool is_ctf2_, big_endian_;
  std::size_t& slots_;
  std::vector<Scope> scopes_;
  std::vector<std::shared_ptr<Type>> slotted_;  // what stores into a slot, or loads from one
  std::size_t nodes_ = 0, shared_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace ouro::read
