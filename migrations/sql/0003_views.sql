-- What an account holds of each symbol: the books of its strategies added up, at their newest mark, in its base currency.
-- Without a mark there is no value. avg_cost of books that cancel each other out is 0.
create view portfolio_positions as
  select p.account_id, p.symbol, sum(p.quantity) as quantity,
      coalesce(sum(p.quantity * p.avg_cost) / nullif(sum(p.quantity), 0), 0) as avg_cost,
      sum(p.quantity) * i.multiplier * m.price::numeric * m.rate::numeric as market_value,
      sum(p.quantity * (m.price::numeric - p.avg_cost)) * i.multiplier * m.rate::numeric as unrealized_pnl,
      sum(p.realized_pnl) as realized_pnl, max(p.last_updated) as last_updated
    from positions p join accounts a using (account_id) join sessions s using (session_id)
      join instruments i on i.venue = s.venue and i.symbol = p.symbol
      left join portfolio_marks m on m.account_id = p.account_id and m.symbol = p.symbol
    group by p.account_id, p.symbol, i.multiplier, m.price, m.rate;
