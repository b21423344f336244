// shop/store.hpp -- the shop's data in SQLite.
//
//   products (id, name, price_cents, stock)
//       ^ product                                   one Connection a thread at a time; SQLite serialises writers
//   order_lines (order_id, product, quantity)
//       v order_id
//   orders (id, customer, total_cents)
#pragma once
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <ouro/trace.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace shop {

struct Money {
  std::int64_t cents = 0;
};

struct Product {
  std::int64_t id = 0;
  std::string name;
  Money price;
  std::int64_t stock = 0;
};

struct OrderLine {
  std::int64_t product = 0;
  std::int64_t quantity = 0;
};

struct Order {
  std::int64_t id = 0;
  std::string customer;
  Money total;
};

enum class Answer { accepted, unknown_product, out_of_stock };

struct Placed {
  Answer answer{};
  Order order;               // if accepted
  std::int64_t product = 0;  // else: the one that was refused
};

// The database refuses or fails: what SQLite says, and at which statement.
class StoreError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Connection {
 public:
  explicit Connection(const std::string& path);

  std::vector<Product> products(std::int64_t page);
  std::optional<Product> product(std::int64_t id);
  // All lines or none.
  Placed place_order(const std::string& customer, std::span<const OrderLine> lines);
  std::vector<Order> recent_orders();

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
  class Rows;

  Statement prepare(const char* sql);
  void run(const Statement& statement);
  Placed place_lines(const std::string& customer, std::span<const OrderLine> lines);

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement begin_, commit_, rollback_;
  Statement products_, product_, take_stock_, insert_order_, insert_line_, recent_;
};

// As many connections as there are threads that ask, so nobody waits long.
class Store {
 public:
  // Creates and fills the database if `path` holds none.
  Store(const std::string& path, std::size_t connections);

  class Lease {
   public:
    Lease(Store& store, std::unique_ptr<Connection> connection);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Connection* operator->() const { return connection_.get(); }

   private:
    Store& store_;
    std::unique_ptr<Connection> connection_;
  };
  Lease take();

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> free_;
};

}  // namespace shop

// How the shop's own types appear in a trace.
template <>
struct ouro::Field<shop::Money> {
  static std::int64_t value(const shop::Money& money) { return money.cents; }
};
template <>
struct ouro::EnumLabels<shop::Answer> {
  static constexpr ouro::Label<shop::Answer> labels[] = {{shop::Answer::accepted, "accepted"},
                                                         {shop::Answer::unknown_product, "unknown_product"},
                                                         {shop::Answer::out_of_stock, "out_of_stock"}};
};
