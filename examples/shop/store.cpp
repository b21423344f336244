#include "store.hpp"

#include <sqlite3.h>

#include <utility>

namespace shop {
namespace {

constexpr int kPageSize = 20;
constexpr int kProducts = 1000;

// Every 100th product is scarce, so that some orders are refused.
constexpr const char* kSchema = R"(
  PRAGMA journal_mode = WAL;
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
  CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total_cents INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id), product INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0));
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
  INSERT OR IGNORE INTO products
    SELECT i, 'Product ' || i, 100 + i * 37 %% 9900, CASE WHEN i %% 100 = 0 THEN 5 ELSE 100000000 END FROM n;
  COMMIT;
)";

[[noreturn]] void fail(sqlite3* database, const char* doing) {
  throw StoreError(std::string(doing) + ": " + sqlite3_errmsg(database));
}

}  // namespace

void Connection::CloseDatabase::operator()(sqlite3* database) const { sqlite3_close(database); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

// One execution of a prepared statement: bind, step through, reset at the end of the scope.
class Connection::Rows {
 public:
  explicit Rows(const Statement& statement) : statement_(statement.get()) {}
  ~Rows() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  Rows& bind(std::int64_t value) {
    if (sqlite3_bind_int64(statement_, ++bound_, value) != SQLITE_OK) fail(database(), sqlite3_sql(statement_));
    return *this;
  }
  // `value` must live as long as this.
  Rows& bind(const std::string& value) {
    if (sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_STATIC) !=
        SQLITE_OK)
      fail(database(), sqlite3_sql(statement_));
    return *this;
  }
  bool next() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) fail(database(), sqlite3_sql(statement_));
    return result == SQLITE_ROW;
  }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3* database() const { return sqlite3_db_handle(statement_); }

  sqlite3_stmt* statement_;
  int bound_ = 0;
};

Connection::Connection(const std::string& path) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(opened);
  if (result != SQLITE_OK) fail(opened, path.c_str());
  sqlite3_busy_timeout(opened, 5000);
  const std::unique_ptr<char, void (*)(void*)> schema(sqlite3_mprintf(kSchema, kProducts), sqlite3_free);
  if (sqlite3_exec(opened, "PRAGMA synchronous = NORMAL", nullptr, nullptr, nullptr) != SQLITE_OK ||
      sqlite3_exec(opened, schema.get(), nullptr, nullptr, nullptr) != SQLITE_OK)
    fail(opened, path.c_str());

  begin_ = prepare("BEGIN IMMEDIATE");
  commit_ = prepare("COMMIT");
  rollback_ = prepare("ROLLBACK");
  products_ = prepare("SELECT id, name, price_cents, stock FROM products ORDER BY id LIMIT ? OFFSET ?");
  product_ = prepare("SELECT id, name, price_cents, stock FROM products WHERE id = ?");
  take_stock_ = prepare("UPDATE products SET stock = stock - ? WHERE id = ?");
  insert_order_ = prepare("INSERT INTO orders (customer, total_cents) VALUES (?, ?)");
  insert_line_ = prepare("INSERT INTO order_lines (order_id, product, quantity) VALUES (?, ?, ?)");
  recent_ = prepare("SELECT id, customer, total_cents FROM orders ORDER BY id DESC LIMIT ?");
}

Connection::Statement Connection::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    fail(database_.get(), sql);
  return Statement(statement);
}

void Connection::run(const Statement& statement) { Rows(statement).next(); }

std::vector<Product> Connection::products(std::int64_t page) {
  OURO_SPAN("shop:query", "statement", "products", "argument", page);
  std::vector<Product> found;
  Rows rows(products_);
  rows.bind(kPageSize).bind(page * kPageSize);
  while (rows.next()) found.push_back({rows.integer(0), rows.text(1), {rows.integer(2)}, rows.integer(3)});
  return found;
}

std::optional<Product> Connection::product(std::int64_t id) {
  OURO_SPAN("shop:query", "statement", "product", "argument", id);
  Rows rows(product_);
  rows.bind(id);
  if (!rows.next()) return std::nullopt;
  return Product{rows.integer(0), rows.text(1), {rows.integer(2)}, rows.integer(3)};
}

std::vector<Order> Connection::recent_orders() {
  OURO_SPAN("shop:query", "statement", "recent_orders", "argument", kPageSize);
  std::vector<Order> found;
  Rows rows(recent_);
  rows.bind(kPageSize);
  while (rows.next()) found.push_back({rows.integer(0), rows.text(1), {rows.integer(2)}});
  return found;
}

Placed Connection::place_order(const std::string& customer, std::span<const OrderLine> lines) {
  OURO_SPAN("shop:transaction", "customer", customer, "lines", lines.size());
  {
    OURO_SPAN("shop:wait_for_write_lock");
    run(begin_);
  }
  try {
    Placed placed = place_lines(customer, lines);
    run(placed.answer == Answer::accepted ? commit_ : rollback_);
    return placed;
  } catch (...) {
    if (sqlite3_get_autocommit(database_.get()) == 0) run(rollback_);
    throw;
  }
}

Placed Connection::place_lines(const std::string& customer, std::span<const OrderLine> lines) {
  Order order{0, customer, {}};
  for (const OrderLine& line : lines) {
    const std::optional<Product> wanted = product(line.product);
    if (!wanted) return {Answer::unknown_product, {}, line.product};
    if (wanted->stock < line.quantity) return {Answer::out_of_stock, {}, line.product};
    Rows(take_stock_).bind(line.quantity).bind(line.product).next();
    order.total.cents += wanted->price.cents * line.quantity;
  }
  Rows(insert_order_).bind(customer).bind(order.total.cents).next();
  order.id = sqlite3_last_insert_rowid(database_.get());
  for (const OrderLine& line : lines) Rows(insert_line_).bind(order.id).bind(line.product).bind(line.quantity).next();
  return {Answer::accepted, std::move(order), 0};
}

Store::Store(const std::string& path, std::size_t connections) {
  for (std::size_t i = 0; i < connections; ++i) free_.push_back(std::make_unique<Connection>(path));
}

Store::Lease Store::take() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return !free_.empty(); });
  std::unique_ptr<Connection> connection = std::move(free_.back());
  free_.pop_back();
  return {*this, std::move(connection)};
}

Store::Lease::Lease(Store& store, std::unique_ptr<Connection> connection)
    : store_(store), connection_(std::move(connection)) {}

Store::Lease::~Lease() {
  {
    const std::lock_guard lock(store_.mutex_);
    store_.free_.push_back(std::move(connection_));
  }
  store_.freed_.notify_one();
}

}  // namespace shop
