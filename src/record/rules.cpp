#include "record/rules.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/rules.hpp"

namespace ouro::record {
namespace {

void append(std::vector<std::byte>& out, const void* bytes, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  out.insert(out.end(), from, from + size);
}

}  // namespace

Result<std::vector<std::byte>> encode(std::span<const Rule> rules) {
  std::vector<std::byte> out(sizeof(abi::RuleList));
  for (const Rule& rule : rules) {
    if (rule.code.size() > abi::kMaxFilterCode)
      return errorf(EINVAL, "filter '%s' becomes %zu bytes, want at most %u (hint: a shorter one)", rule.filter.c_str(),
                    rule.code.size(), abi::kMaxFilterCode);
    abi::RuleHeader header{};
    const std::size_t size = sizeof header + rule.name.size() + rule.file.size() + rule.filter.size() + 3 + rule.code.size();
    header.size = static_cast<std::uint32_t>((size + 7) & ~std::size_t{7});
    header.excludes = rule.excludes ? 1 : 0;
    header.level = rule.level;
    header.filter_size = static_cast<std::uint16_t>(rule.code.size());
    header.rate = rule.rate;
    header.every = rule.every;
    header.longer = rule.longer;
    append(out, &header, sizeof header);
    for (const std::string* text : {&rule.name, &rule.file, &rule.filter}) append(out, text->c_str(), text->size() + 1);
    append(out, rule.code.data(), rule.code.size());
    out.resize((out.size() + 7) & ~std::size_t{7});
  }
  if (out.size() > abi::kRulesSize)
    return errorf(ENOSPC, "the rules for events take %zu bytes, want at most %llu (hint: fewer or shorter ones)", out.size(),
                  static_cast<unsigned long long>(abi::kRulesSize));
  const abi::RuleList list{static_cast<std::uint32_t>(out.size() - sizeof list), static_cast<std::uint32_t>(rules.size())};
  std::memcpy(out.data(), &list, sizeof list);
  return out;
}

std::vector<Rule> decode(std::span<const std::byte> list) {
  std::vector<Rule> out;
  base::Rule rule;
  for (base::RuleReader reader(list.data(), list.size()); reader.next(rule);) {
    Rule& r = out.emplace_back();
    r.name.assign(rule.name, rule.name_end);
    r.file.assign(rule.file, rule.file_end);
    r.excludes = rule.header.excludes != 0;
    r.level = rule.header.level;
    r.rate = rule.header.rate;
    r.every = rule.header.every;
    r.longer = rule.header.longer;
    r.filter.assign(rule.text, rule.text_end);
    r.code.assign(rule.filter, rule.filter + rule.header.filter_size);
  }
  return out;
}

std::vector<Rule> with_rule(std::vector<Rule> rules, const Rule& added) {
  std::erase_if(rules, [&](const Rule& r) {
    // What asks the same of an event's name, file and level never decides again.
    return r.name == added.name && r.file == added.file && r.level == added.level;
  });
  // Nothing escapes a rule for all.
  if (added.name == "*" && added.file.empty() && added.level == abi::kAnyLevel) rules.clear();
  // To exclude what nothing selects needs no rule.
  if (!added.excludes || std::any_of(rules.begin(), rules.end(), [](const Rule& r) { return !r.excludes; })) rules.push_back(added);
  return rules;
}

}  // namespace ouro::record
