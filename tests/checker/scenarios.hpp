// scenarios.hpp -- what the checker runs: who writes and reads a tiny ring at once, and within which bounds.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "world.hpp"

namespace ouro::checker {

struct Scenario {
  std::string name;
  Shape shape;
  std::vector<Thread> threads;
  unsigned must_reach = 0;  // in some execution
  Bounds quick, full;
  bool is_small = false;    // few steps, from a moment that the others reach late
};

const std::vector<Scenario>& scenarios();
Experiment experiment_of(const Scenario&);

}  // namespace ouro::checker
