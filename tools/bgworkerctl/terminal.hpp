// A terminal that is drawn on as a whole and read key by key.
#pragma once

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "port/fd.hpp"

namespace bgworkerctl {

class Terminal {
 public:
  // Keys that are no characters.
  static constexpr int key_up = 0x100, key_down = 0x101, key_page_up = 0x102, key_page_down = 0x103;

  enum class What { nothing, key, resized, ended };
  struct Event {
    What what = What::nothing;
    int value = 0;  // the key; of `ended` the signal, 0: nobody is at the keyboard any more
  };
  struct Size {
    std::size_t rows = 24, columns = 80;
  };

  // Whether standard input and output are a terminal that can be drawn on.
  static bool usable();

  // Takes standard input and output over until the end of its life. One at a time.
  static bgw::Result<Terminal> take_over();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  Size size() const;
  // Shows these lines and nothing else; what does not fit is not shown. A line may hold sequences for its
  // looks.
  void draw(const std::vector<std::string>& lines);
  // The next thing that happens, or nothing within the time. Being stopped and continued is a change of size.
  Event wait(int milliseconds);

 private:
  explicit Terminal(bgw::UniqueFd signals) : signals_(std::move(signals)) {}
  Event take_signal();
  std::optional<int> take_key();

  bgw::UniqueFd signals_;
  std::string keys_;  // read and not handed out
  bool owner_ = true;
};

}  // namespace bgworkerctl
