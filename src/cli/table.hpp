// cli/table.hpp -- rows of texts as aligned columns, and what of a text may go to a terminal.
#pragma once
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/textf.hpp"

namespace ouro::cli {

using base::printable;  // for what comes from traced programs

// Columns as wide as their contents. `sides`: 'l' or 'r' for each; the last holds for all that follow.
class Table {
 public:
  Table(std::vector<std::string> head, std::string sides, std::string indent = "")
      : sides_(std::move(sides)), indent_(std::move(indent)) {
    add(std::move(head));
  }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() < 2; }
  void print() const {
    for (const std::string& line : lines()) std::puts(line.c_str());
    std::puts("");
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::vector<std::size_t> width;
    for (const auto& row : rows_) {
      width.resize(std::max(width.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    }
    for (const auto& row : rows_) {
      std::string line = indent_;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string fill(width[i] - row[i].size(), ' ');
        if (i != 0) line += "  ";
        line += sides_[std::min(i, sides_.size() - 1)] == 'l' ? row[i] + fill : fill + row[i];
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out.push_back(std::move(line));
    }
    return out;
  }

 private:
  std::string sides_, indent_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ouro::cli
