// Parameters of every type, with limits and checks, and what a reload makes of them.
#include "probe_sdk.hpp"

namespace probe_sdk {

namespace {

enum class color { red, green = 7, blue };
constexpr bgworker::choice<color> colors[] = {
    {"red", color::red}, {"green", color::green}, {"blue", color::blue}};

bgworker::parameter<int> number{{.name = "probe_sdk.number",
                                 .description = "A number.",
                                 .standard = 5,
                                 .min = 1,
                                 .max = 10,
                                 .refuse = [](const int& v) { return v == 7 ? "seven is refused" : nullptr; }}};
bgworker::parameter<bool> flag{{.name = "probe_sdk.flag", .description = "A flag.", .standard = true}};
bgworker::parameter<double> ratio{{.name = "probe_sdk.ratio",
                                   .description = "A ratio.",
                                   .standard = 0.5,
                                   .min = 0,
                                   .max = 1,
                                   .refuse = [](const double& v) -> const char* {
                                     tracked t;
                                     if (v == 0.25) throw std::runtime_error("the check itself failed");
                                     return nullptr;
                                   }}};
bgworker::parameter<std::string_view> word{
    {.name = "probe_sdk.word", .description = "A word.", .standard = "standard"}};
bgworker::parameter<std::chrono::milliseconds> naptime_parameter{
    {.name = "probe_sdk.naptime", .description = "A time.", .standard = 1500ms, .max = 1h}};
bgworker::parameter<bgworker::kilobytes> space{
    {.name = "probe_sdk.space", .description = "A size.", .standard = {2048}}};
bgworker::parameter<color> paint{
    {.name = "probe_sdk.paint", .description = "A colour.", .standard = color::green, .choices = colors}};

}  // namespace

const bgworker::parameter_value<std::chrono::milliseconds>& naptime = naptime_parameter;

void parameters(bgworker::worker& self) {
  auto show = [] {
    log("sdk: number {} flag {} ratio {} word {} naptime {} space {} paint {}", number.get(), flag.get(),
        ratio.get(), word.get(), naptime.get(), space.get().count,
        paint.get() == color::blue    ? "blue"
        : paint.get() == color::green ? "green"
                                      : "red");
  };
  show();
  int reloads = 0;
  while (auto why = self.wait(30s)) {
    if (why.reloaded()) {
      show();
      if (++reloads == 3) return;
    }
  }
}

}  // namespace probe_sdk
