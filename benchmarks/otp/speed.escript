#!/usr/bin/env escript
%% -*- erlang -*-
%% What Erlang/OTP takes for the same things on this machine: a line each, `name us`, the best of several rounds. `escript benchmarks/otp/speed.escript`.
%%
%%   tell     a message to a gen_server, handled; many in a row
%%   ask      gen_server:call and its answer, one after the other
%%   spawn    supervisor:start_child of a gen_server under simple_one_for_one, until it is initialised
%%   restart  a kill, until the child that the supervisor started in its place answers

-module(speed).
-mode(compile).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, start_link/0, start_link/1]).

-define(ROUNDS, 7).

main(_) ->
    logger:set_primary_config(level, none),
    [io:format("~s ~.2f~n", [Name, lists:min([measure(Name) || _ <- lists:seq(1, ?ROUNDS)])]) || Name <- [tell, ask, spawn, restart]].

measure(tell) ->
    {ok, Server} = gen_server:start_link(?MODULE, worker, []),
    N = 200000,
    Took = timed(N, fun() -> [gen_server:cast(Server, add) || _ <- lists:seq(1, N)], N = gen_server:call(Server, total) end),
    gen_server:stop(Server),
    Took;
measure(ask) ->
    {ok, Server} = gen_server:start_link(?MODULE, worker, []),
    N = 50000,
    Took = timed(N, fun() -> [gen_server:call(Server, total) || _ <- lists:seq(1, N)] end),
    gen_server:stop(Server),
    Took;
measure(spawn) ->
    {ok, Sup} = supervisor:start_link(?MODULE, {#{strategy => simple_one_for_one}, [#{id => child, start => {?MODULE, start_link, []}}]}),
    N = 10000,
    Took = timed(N, fun() -> [{ok, _} = supervisor:start_child(Sup, []) || _ <- lists:seq(1, N)] end),
    ended(Sup),
    Took;
measure(restart) ->
    Start = {?MODULE, start_link, [self()]},
    {ok, Sup} = supervisor:start_link(?MODULE, {#{intensity => 1000000, period => 1}, [#{id => child, start => Start}]}),
    N = 100, % few: the supervisor looks through its restarts of the last second each time
    First = receive {serving, Pid} -> Pid end,
    Took = timed(N, fun() -> lists:foldl(fun(_, Child) -> exit(Child, kill), next() end, First, lists:seq(1, N)) end),
    ended(Sup),
    Took.

next() ->
    receive {serving, Child} -> 0 = gen_server:call(Child, total), Child end.

timed(N, Work) ->
    Began = erlang:monotonic_time(nanosecond),
    Work(),
    (erlang:monotonic_time(nanosecond) - Began) / N / 1000.

ended(Sup) ->
    unlink(Sup),
    Monitor = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Monitor, _, _, _} -> ok end.

start_link() -> gen_server:start_link(?MODULE, worker, []).
start_link(Watcher) -> gen_server:start_link(?MODULE, {worker, Watcher}, []).

%% Both behaviours have an init: a supervisor's argument begins with its flags.
init({#{}, _} = Specs) -> {ok, Specs};
init({worker, Watcher}) -> Watcher ! {serving, self()}, {ok, 0};
init(worker) -> {ok, 0}.

handle_call(total, _, Total) -> {reply, Total, Total}.
handle_cast(add, Total) -> {noreply, Total + 1}.
