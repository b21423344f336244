// twins.hpp -- the ring with one thing weakened, of which some scenario must fail; README.md has the table of all.
#pragma once
#include <string>
#include <vector>

#include "machine.hpp"

namespace ouro::checker {

struct Twin {
  std::string where{};  // file and function
  std::string code{};   // the line, or what is checked there
  std::string label{};  // ord(...), if the line has one
  std::string what{};
  Site site{};        // an access, or
  int check = 0;      // a check
  std::string key() const { return where + " | " + code + " | " + what; }
};

// Every access that can be weakened, of those that the scenarios reach, and every check that can be broken.
std::vector<Twin> all_twins();

// A row of README.md's table.
struct Row {
  std::string key, label;
  std::string scenario;        // empty: it survives
  Bounds bounds;
  std::uint64_t executions = 0;
  bool drawn = false;          // at random
  std::string reason;          // why it survives
};
std::vector<Row> read_table();
// Looks for a scenario that catches a twin, from the cheapest bounds on, and prints its row; for each that the table does not have as
// caught, or as surviving for a reason that is none of the letters `again`. Part `part` of `parts`.
void find_twins(int part, int parts, std::uint64_t limit, const std::string& again);
// The same for the twins whose row contains `what`, in scenarios whose names contain `where`.
void try_twins(const std::string& what, const std::string& where, Bounds bounds);
// Does the table name every twin there is, and no other?
bool table_is_complete();
// Are they caught as the table says?
bool twins_are_caught(int part, int parts);

}  // namespace ouro::checker
