// record/program_file.hpp -- what a program or shared library that does not run can be asked to trace: its events as they
// stand in its ELF file.
//
//   section ouro_sites         data of the module             read-only data
//   +----+----+----+--         +--------+------+------        +--------------+------
//   |  * |  * |  * |    --->   | schema | size | ...   --->   | SchemaHeader | name ..
//   +----+----+----+--         +--------+------+------        +--------------+------
//                              ouro::detail::Site
//
// Where a module may be loaded anywhere its pointers are relocated as it starts: their values are then the addends of
// relocations (RELATIVE, of type RELA), or stand in place (RELR; programs that are not position-independent).
//
// The file may be anybody's: every address, size and offset in it is checked, and whatever is read is a copy.
#pragma once
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "format/event_class.hpp"

namespace ouro::record {

struct ProgramFile {
  std::vector<format::EventClass> events;  // each once, however often it was inlined
  std::vector<std::vector<std::byte>> schemas;  // of each
  std::vector<std::string> spoiled;        // entries that are no events: what is wrong with them
};

// 64-bit, little endian; of any architecture whose relative relocations are known. Fails for all else, and for a file without events.
Result<ProgramFile> read_program_file(const std::string& path);

}  // namespace ouro::record
