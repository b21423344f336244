#include "export/live_protocol.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <random>

namespace ouro::live {
namespace {

Bytes bytes(std::initializer_list<unsigned> values) {
  Bytes out;
  for (const unsigned value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

// size: u64, command: u32, version: u32, then `payload`.
Bytes message(unsigned command, const Bytes& payload) {
  Bytes out = bytes({0, 0, 0, 0, 0, 0, 0, static_cast<unsigned>(payload.size()), 0, 0, 0, command, 0, 0, 0, 0});
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

Request request(const Bytes& in) {
  const Result<Parsed> parsed = parse_request(in);
  EXPECT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->bytes, in.size());
  return parsed->request;
}

TEST(LiveProtocol, RequestsAreBigEndian) {
  const Request connect = request(message(1, bytes({255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1})));
  EXPECT_EQ(connect.command, Command::connect);
  EXPECT_EQ(connect.major, 2u);
  EXPECT_EQ(connect.minor, 4u);
  EXPECT_EQ(request(message(2, {})).command, Command::list_sessions);
  const Request attach = request(message(3, bytes({0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})));
  EXPECT_EQ(attach.session, 0x102u);
  EXPECT_EQ(attach.seek, 2u);
  EXPECT_EQ(request(message(4, bytes({0, 0, 0, 7, 0, 0, 0, 9}))).stream, 0x700000009u);
  const Request packet = request(message(5, bytes({0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0})));
  EXPECT_EQ(packet.stream, 1u);
  EXPECT_EQ(packet.offset, std::uint64_t{1} << 56);
  EXPECT_EQ(packet.bytes, 65536u);
  EXPECT_EQ(request(message(6, bytes({0, 0, 0, 0, 0, 0, 0, 5}))).stream, 5u);
  EXPECT_EQ(request(message(7, bytes({0, 0, 0, 0, 0, 0, 0, 6}))).session, 6u);
  EXPECT_EQ(request(message(8, {})).command, Command::create_session);
  EXPECT_EQ(request(message(9, bytes({0, 0, 0, 0, 0, 0, 0, 8}))).session, 8u);
}

TEST(LiveProtocol, ARequestThatHasNotComeAsAWholeIsWaitedFor) {
  const Bytes whole = message(4, bytes({0, 0, 0, 0, 0, 0, 0, 9}));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const Result<Parsed> parsed = parse_request(std::span(whole).first(i));
    ASSERT_TRUE(parsed) << i;
    EXPECT_EQ(parsed->bytes, 0u) << i;
  }
}

TEST(LiveProtocol, WhatFollowsARequestStays) {
  Bytes two = message(2, {});
  const Bytes second = message(8, {});
  two.insert(two.end(), second.begin(), second.end());
  const Result<Parsed> parsed = parse_request(two);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->bytes, 16u);
  EXPECT_EQ(parsed->request.command, Command::list_sessions);
}

TEST(LiveProtocol, MoreThanARequestNeedsIsSteppedOver) {
  Bytes payload = bytes({0, 0, 0, 0, 0, 0, 0, 9});
  payload.resize(100);
  EXPECT_EQ(request(message(4, payload)).stream, 9u);
}

TEST(LiveProtocol, NonsenseIsAnErrorAsSoonAsItsHeaderIsThere) {
  const auto error = [](const Bytes& in) {
    const Result<Parsed> parsed = parse_request(in);
    return parsed ? "" : parsed.error().text;
  };
  EXPECT_EQ(error(message(0, {})), "command 0, want 1 to 9 (is it a viewer of LTTng's live protocol?)");
  EXPECT_EQ(error(message(10, {})), "command 10, want 1 to 9 (is it a viewer of LTTng's live protocol?)");
  EXPECT_EQ(error(message(4, bytes({1, 2, 3}))), "3 bytes behind command 4, want 8");
  EXPECT_EQ(error(bytes({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0})), "72057594037927936 bytes behind command 2, want 0");
  const std::string http = "GET / HTTP/1.1\r\n\r\n";
  const auto text = std::as_bytes(std::span(http));
  EXPECT_FALSE(parse_request(text));
}

TEST(LiveProtocol, RandomBytesAreRefusedWaitedForOrARequestInsideThem) {
  std::mt19937_64 random(7);
  std::uint64_t requests = 0;
  for (int i = 0; i < 200'000; ++i) {
    Bytes in(random() % 64);
    for (std::byte& byte : in) byte = static_cast<std::byte>(random());
    if (in.size() >= 12 && random() % 2 == 0) {  // often near enough to get further
      for (std::size_t k = 0; k < 7; ++k) in[k] = std::byte{0};
      in[7] = static_cast<std::byte>(random() % 32);
      for (std::size_t k = 8; k < 11; ++k) in[k] = std::byte{0};
      in[11] = static_cast<std::byte>(random() % 12);
    }
    const Result<Parsed> parsed = parse_request(in);
    if (!parsed) continue;
    ASSERT_LE(parsed->bytes, in.size());
    if (parsed->bytes == 0) continue;
    ++requests;
    ASSERT_GE(static_cast<std::uint32_t>(parsed->request.command), 1u);
    ASSERT_LE(static_cast<std::uint32_t>(parsed->request.command), kCommands);
  }
  EXPECT_GT(requests, 10'000u);
}

TEST(LiveProtocol, AnswersAreAsViewersReadThem) {
  Bytes out;
  append_connect(out, 0x0102, 4);
  EXPECT_EQ(out, bytes({0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1}));

  out.clear();
  append_index(out, {.status = IndexStatus::ok, .offset = 1, .packet_bytes = 2, .content_bytes = 3, .begin = 4, .end = 5, .discarded = 6, .stream_class = 7, .flags = kNewMetadata});
  Bytes wanted;
  for (const unsigned value : {1u, 16u, 24u, 4u, 5u, 6u, 7u}) wanted.insert(wanted.end(), {std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte(value)});
  for (const unsigned value : {1u, 1u}) wanted.insert(wanted.end(), {std::byte{}, std::byte{}, std::byte{}, std::byte(value)});
  EXPECT_EQ(out, wanted);

  out.clear();
  append_packet(out, PacketStatus::ok, bytes({9, 8, 7}));
  EXPECT_EQ(out, bytes({0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 9, 8, 7}));

  out.clear();
  append_metadata(out, MetadataStatus::ok, "ab");
  EXPECT_EQ(out, bytes({0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 'a', 'b'}));

  out.clear();
  append_new_streams(out, NewStreamsStatus::hung_up);
  append_created(out, CreateStatus::ok);
  append_detached(out, DetachStatus::unknown);
  EXPECT_EQ(out, bytes({0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}));
}

TEST(LiveProtocol, TextsAreOfFixedSizeAndEndWithANul) {
  Bytes out;
  append_sessions(out, {{.id = 1, .timer_us = 2, .viewers = 3, .streams = 4, .host = std::string(100, 'h'), .name = "trace"}});
  ASSERT_EQ(out.size(), 4u + 20 + 64 + 255);
  EXPECT_EQ(out[4 + 20 + 62], std::byte{'h'});
  EXPECT_EQ(out[4 + 20 + 63], std::byte{0});
  EXPECT_EQ(out[4 + 20 + 64], std::byte{'t'});
  EXPECT_EQ(out.back(), std::byte{0});

  out.clear();
  append_attached(out, AttachStatus::ok, {{.id = 1, .trace = 2, .is_metadata = true, .path = "p", .name = "n"}, {.id = 3, .trace = 2, .is_metadata = false, .path = "p", .name = "m"}});
  ASSERT_EQ(out.size(), 8u + 2 * (20 + 4096 + 255));
  EXPECT_EQ(out[8 + 19], std::byte{1});
  EXPECT_EQ(out[8 + 20 + 4096 + 255 + 7], std::byte{3});
}

}  // namespace
}  // namespace ouro::live
