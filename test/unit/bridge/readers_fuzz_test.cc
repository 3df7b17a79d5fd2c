// The bounded run of the fuzz test (test/fuzz/readers.cc): the corpus, and mutations of it from a seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/readers.hpp"
#include "support/beside_server.hpp"

namespace {

std::vector<std::string> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(BGW_SOURCE_DIR "/test/fuzz/corpus"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return inputs;
}

void feed(const std::string& input) {
  fuzz_reader(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

TEST(ReadersFuzz, CorpusAndMutations) {
  const std::vector<std::string> inputs = corpus();
  ASSERT_GT(inputs.size(), 30u);
  for (const std::string& input : inputs) feed(input);
  std::mt19937 random(bgw_test::comparison_seed());
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  static const std::string pieces = "0123456789-+.:,{}[]\"\\'eETZ /abNfity=\x80\xc3\xa4 ";
  for (int round = 0; round < 60000; ++round) {
    std::string input = inputs[below(inputs.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const std::size_t at = input.size() > 1 ? 1 + below(input.size()) : 1;
      switch (below(5)) {
        case 0:
          input.insert(std::min(at, input.size()), 1, pieces[below(pieces.size())]);
          break;
        case 1:
          if (at < input.size()) input.erase(at, 1 + below(3));
          break;
        case 2:
          if (at < input.size()) input[at] = pieces[below(pieces.size())];
          break;
        case 3:
          if (at < input.size()) input.insert(at, input.substr(at, below(12)));
          break;
        default: {
          const std::string& other = inputs[below(inputs.size())];
          if (other.size() > 1) input += other.substr(1 + below(other.size() - 1));
        }
      }
    }
    if (below(20) == 0) input[0] = static_cast<char>(below(256));
    feed(input);
  }
}

TEST(ReadersFuzz, BinaryFormsAndMutations) {
  std::vector<std::string> all = corpus(), inputs;
  for (std::string& input : all)
    if (static_cast<unsigned char>(input[0]) >= 0x80) inputs.push_back(std::move(input));
  ASSERT_GT(inputs.size(), 40u);
  for (const std::string& input : inputs) feed(input);
  std::mt19937 random(bgw_test::comparison_seed());
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  static const std::string words = {"\0\0\0\0\xff\xff\xff\xff\x7f\xff\xff\xff\0\0\0\1\0\0\0\x17\0\0\x04\xd2", 24};
  for (int round = 0; round < 60000; ++round) {
    std::string input = inputs[below(inputs.size())];
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const std::size_t at = 1 + below(input.size());
      switch (below(5)) {
        case 0:
          input.insert(std::min(at, input.size()), words.substr(4 * below(6), 1 + below(4)));
          break;
        case 1:
          if (at < input.size()) input.erase(at, 1 + below(4));
          break;
        case 2:
          if (at < input.size()) input[at] = static_cast<char>(below(256));
          break;
        case 3:
          if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
          break;
        default:
          if (at + 4 <= input.size()) input.replace(at, 4, words.substr(4 * below(6), 4));
      }
    }
    if (below(20) == 0) input[0] = static_cast<char>(0x80 | below(128));
    feed(input);
  }
}

}  // namespace
