// cli/test_command.hpp -- for tests only: runs a command of `ouro` in this process and catches what it says.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

namespace ouro::cli::test {

struct Outcome {
  int status = 0;
  std::string out, err;
};

inline Outcome run(int (*command)(int, char**), std::string name, std::vector<std::string> arguments) {
  std::vector<char*> argv{name.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.status = command(static_cast<int>(argv.size() - 1), argv.data());
  outcome.err = testing::internal::GetCapturedStderr();
  std::fflush(stdout);
  outcome.out = testing::internal::GetCapturedStdout();
  return outcome;
}

}  // namespace ouro::cli::test
