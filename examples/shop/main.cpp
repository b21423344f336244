// shop -- a small shop over HTTP, to see what a service looks like in a trace.
//
//   GET  /products?page=N     a page of products          POST /orders  {"customer": "ada",
//   GET  /products/ID         one product                               "lines": [{"product": 7, "quantity": 2}]}
//   GET  /orders              the newest orders           GET  /health
//
// Every request is a span; inside it lie the spans of its queries, on the worker thread that serves it.
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <httplib.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ouro/trace.hpp>

#include "store.hpp"
#include "workers.hpp"

namespace shop {
namespace {

using Json = nlohmann::json;

struct Options {
  int port = 0;
  std::size_t threads = 8;
  std::string database;  // empty: a temporary one
};

Json to_json(const Product& p) {
  return {{"id", p.id}, {"name", p.name}, {"price", p.price.cents}, {"stock", p.stock}};
}
Json to_json(const Order& o) { return {{"id", o.id}, {"customer", o.customer}, {"total", o.total.cents}}; }

template <class T>
Json to_json(const std::vector<T>& all) {
  Json list = Json::array();
  for (const T& one : all) list.push_back(to_json(one));
  return list;
}

void reply(httplib::Response& response, int status, const Json& body) {
  response.status = status;
  response.set_content(body.dump(), "application/json");
}

// What the caller sent cannot be understood.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::int64_t number_of(const std::string& text, const char* what) {
  std::size_t used = 0;
  std::int64_t number = -1;
  try {
    number = std::stoll(text, &used);
  } catch (const std::exception&) {
  }
  if (used != text.size() || number < 0 || number > 1'000'000'000)
    throw BadRequest(std::string(what) + " is '" + text + "', want a number");
  return number;
}

void list_products(Store& store, const httplib::Request& request, httplib::Response& response) {
  const std::int64_t page = request.has_param("page") ? number_of(request.get_param_value("page"), "page") : 0;
  reply(response, 200, to_json(store.take()->products(page)));
}

void get_product(Store& store, const httplib::Request& request, httplib::Response& response) {
  const auto product = store.take()->product(number_of(request.matches[1], "product"));
  if (product)
    reply(response, 200, to_json(*product));
  else
    reply(response, 404, {{"error", "no such product"}});
}

void recent_orders(Store& store, const httplib::Request&, httplib::Response& response) {
  reply(response, 200, to_json(store.take()->recent_orders()));
}

void place_order(Store& store, const httplib::Request& request, httplib::Response& response) {
  std::string customer;
  std::vector<OrderLine> lines;
  try {
    const Json body = Json::parse(request.body);
    customer = body.at("customer").get<std::string>();
    for (const Json& line : body.at("lines")) lines.push_back({line.at("product"), line.at("quantity")});
  } catch (const Json::exception& error) {
    throw BadRequest(error.what());
  }
  if (lines.empty()) throw BadRequest("lines is empty, want at least one");
  for (const OrderLine& line : lines)
    if (line.quantity < 1 || line.quantity > 1000) throw BadRequest("quantity is not from 1 to 1000");

  const Placed placed = store.take()->place_order(customer, lines);
  if (placed.answer == Answer::accepted) {
    OURO_EVENT("shop:order", "id", placed.order.id, "customer", customer, "total", placed.order.total, "lines",
               lines.size());
    reply(response, 201, to_json(placed.order));
  } else {
    OURO_EVENT_LEVEL(ouro::Level::warning, "shop:refused", "answer", placed.answer, "product", placed.product);
    reply(response, 409,
          {{"error", placed.answer == Answer::out_of_stock ? "out of stock" : "no such product"},
           {"product", placed.product}});
  }
}

using Handler = void (*)(Store&, const httplib::Request&, httplib::Response&);

// A request: its span, and an answer whatever happens.
httplib::Server::Handler traced(Store& store, Handler handler) {
  return [&store, handler](const httplib::Request& request, httplib::Response& response) {
    OURO_SPAN("shop:request", "method", request.method, "path", request.path);
    try {
      handler(store, request, response);
    } catch (const BadRequest& error) {
      OURO_EVENT_LEVEL(ouro::Level::warning, "shop:bad_request", "path", request.path, "what", error.what());
      reply(response, 400, {{"error", error.what()}});
    } catch (const std::exception& error) {
      OURO_EVENT_LEVEL(ouro::Level::error, "shop:error", "path", request.path, "what", error.what());
      reply(response, 500, {{"error", "internal error"}});
    }
    OURO_EVENT("shop:response", "status", response.status, "bytes", response.body.size());
  };
}

void route(httplib::Server& server, Store& store) {
  server.Get("/products", traced(store, list_products));
  server.Get(R"(/products/(\w+))", traced(store, get_product));
  server.Get("/orders", traced(store, recent_orders));
  server.Post("/orders", traced(store, place_order));
  server.Get("/health", [](const httplib::Request&, httplib::Response& response) {
    reply(response, 200, {{"ok", true}});
  });
}

// A folder for the database where none was named; gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "shop-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error(path_ + ": cannot be made");
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int bind(httplib::Server& server, int port) {
  constexpr const char* kHost = "127.0.0.1";
  if (port == 0) return server.bind_to_any_port(kHost);
  return server.bind_to_port(kHost, port) ? port : -1;
}

int run(const Options& options) {
  // Blocked in every thread, so that only sigwait below sees them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  std::optional<TemporaryFolder> temporary;
  if (options.database.empty()) temporary.emplace();
  Store store(temporary ? temporary->path() + "/shop.db" : options.database, options.threads);

  httplib::Server server;
  server.new_task_queue = [&] { return new Workers(options.threads); };
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(100);  // then the connection makes room for those in the queue
  route(server, store);
  const int port = bind(server, options.port);
  if (port < 0) {
    std::fprintf(stderr, "shop: error: port %d cannot be bound (is it in use?)\n", options.port);
    return 1;
  }
  std::thread listener([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();  // a server that does not run yet cannot be stopped
  std::printf("shop: listening on http://127.0.0.1:%d\n", port);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&ending, &signal);
  OURO_EVENT_LEVEL(ouro::Level::notice, "shop:ending", "signal", signal);
  server.stop();
  listener.join();
  return 0;
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) {
  shop::Options options;
  CLI::App app("A small shop over HTTP, traced with Ouro. Ends at SIGINT or SIGTERM.");
  app.add_option("--port", options.port, "TCP port on 127.0.0.1; 0: any free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  app.add_option("--threads", options.threads, "Threads that serve requests")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--database", options.database, "File of the database; without it a temporary one");
  CLI11_PARSE(app, argc, argv);
  try {
    return shop::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shop: error: %s\n", error.what());
    return 1;
  }
}
