// Does what it reads from its standard input, a word a line, and answers with the word: tests/e2e/list.sh looks at it in between.
//
//   comes_and_goes MODULE      open, close: dlopen and dlclose of the module; step: one event; end; all else: nothing
#include <dlfcn.h>

#include <cstdio>
#include <iostream>
#include <string>

#include <ouro/trace.hpp>

int main(int, char** argv) {
  void* module = nullptr;
  for (std::string word; std::cin >> word;) {
    if (word == "open" && (module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    if (word == "close") dlclose(module);
    if (word == "step") OURO_EVENT("comes:step", "word", word);
    std::cout << word << std::endl;
    if (word == "end") break;
  }
}
