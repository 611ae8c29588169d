#!/usr/bin/env escript
%% -*- erlang -*-
%% Plays scenarios.txt on Erlang/OTP's supervisor and prints each line with what came of it.
%%
%%   main --line--> the supervisor --start, stop--> children --what happened--> the scribe --the trail--> main
%%
%% The scribe is told of every start and orderly stop in a call, so its order is the order of things; a killed child is seen by its monitor.

-module(supervision).
-mode(compile).
-export([init/1, start_child/3, start_child/4, child/4, start_inner/3]).

-define(QUIET, 25). % ms until all that can happen has happened

main([File]) ->
    logger:set_primary_config(level, none),
    {ok, Text} = file:read_file(File),
    Lines = [string:trim(Line) || Line <- string:split(unicode:characters_to_list(Text), "\n", all)],
    play([Line || Line <- Lines, Line =/= "", hd(Line) =/= $#], none).

play([], State) ->
    finish(State);
play(["case " ++ _ = Line | Rest], State) ->
    finish(State),
    io:format("~ts~n", [Line]),
    Scribe = spawn_link(fun() -> scribe(#{}, [], #{}) end),
    play(Rest, #{scribe => Scribe, flags => none, specs => [], top => none});
play([Line | Rest], State) ->
    {Answer, State2} = do(string:lexemes(Line, " "), State),
    Quiet = lists:member(hd(string:lexemes(Line, " ")), ["hasty", "child", "supervisor", "break", "mend", "crawl"]),
    Quiet orelse settle(State2),
    Trail = case Quiet of true -> []; false -> call(maps:get(scribe, State2), trail) end,
    Answer =:= silent orelse io:format("    ~ts -> ~ts~n", [Line, lists:join(" ", [Answer | Trail])]),
    play(Rest, State2).

finish(none) -> ok;
finish(#{top := Top}) -> Top =:= none orelse exit(Top, kill).

settle(#{top := none}) -> ok;
settle(#{top := Top}) ->
    timer:sleep(?QUIET),
    is_process_alive(Top) andalso (catch supervisor:count_children(sup(Top))),
    ok.

%% ---- one line

do(["supervisor", Strategy, Intensity, Period | Auto], State) ->
    Flags = #{strategy => list_to_atom(Strategy), intensity => list_to_integer(Intensity), period => list_to_integer(Period)},
    {silent, State#{flags := case Auto of [] -> Flags; [A] -> Flags#{auto_shutdown => list_to_atom(A)} end}};
do(["child", Id, Type | Options], #{specs := Specs} = State) ->
    {silent, State#{specs := Specs ++ [spec(Id, Type, Options, State)]}};
do(["start"], #{flags := Flags, specs := Specs, scribe := Scribe} = State) ->
    Main = self(),
    Top = spawn(fun() -> top(Main, Flags, Specs, Scribe) end),
    receive {started, Answer} -> {Answer, State#{top := Top}} end;
do(["stop"], #{top := Top} = State) ->
    case sup(Top) of
        gone -> {"gone", State};
        Sup -> Top ! {stop, Sup, self()}, receive stopped -> {"ok", State} end
    end;
do([End, Id, How], #{scribe := Scribe} = State) when End =:= "end"; End =:= "hasty" ->
    {finish_child(call(Scribe, {where, Id}), How), State};
do(["both", One, Other, How], #{scribe := Scribe, top := Top} = State) ->
    Sup = sup(Top),
    Pids = [call(Scribe, {where, Id}) || Id <- [One, Other]],
    sys:suspend(Sup),
    [finish_child(Pid, How) || Pid <- Pids],
    sys:resume(Sup),
    {"ok", State};
do(["break", Id | N], #{scribe := Scribe} = State) ->
    call(Scribe, {break, Id, case N of [] -> 1000000; [Count] -> list_to_integer(Count) end}),
    {silent, State};
do(["mend", Id], #{scribe := Scribe} = State) -> call(Scribe, {break, Id, 0}), {silent, State};
do(["crawl", Id], #{scribe := Scribe} = State) -> call(Scribe, {break, Id, crawl}), {silent, State};
do(["wait", Ms], State) -> timer:sleep(list_to_integer(Ms)), {"ok", State};
do(Words, #{top := Top} = State) ->
    case sup(Top) of
        gone -> {"gone", State};
        Sup -> {asked(Words, Sup, State), State}
    end.

asked(["which"], Sup, _) ->
    lists:join(" ", [lists:concat([name(Id), ":", state(Child)]) || {Id, Child, _, _} <- supervisor:which_children(Sup)]);
asked(["count"], Sup, _) ->
    lists:join(" ", [integer_to_list(N) || {_, N} <- supervisor:count_children(Sup)]);
asked(["add", Id], Sup, _) -> answer(supervisor:start_child(Sup, [Id]));
asked(["add", Id, Type | Options], Sup, State) -> answer(supervisor:start_child(Sup, spec(Id, Type, Options, State)));
asked(["terminate", Id], Sup, #{flags := #{strategy := simple_one_for_one}, scribe := Scribe}) ->
    answer(supervisor:terminate_child(Sup, call(Scribe, {where, Id})));
asked(["terminate", Id], Sup, _) -> answer(supervisor:terminate_child(Sup, Id));
asked(["restart", Id], Sup, _) -> answer(supervisor:restart_child(Sup, Id));
asked(["delete", Id], Sup, _) -> answer(supervisor:delete_child(Sup, Id));
asked(["spec", Id], Sup, _) ->
    case supervisor:get_childspec(Sup, Id) of
        {ok, #{restart := Restart, shutdown := Shutdown, significant := Significant}} -> io_lib:format("~p ~p ~p", [Restart, Shutdown, Significant]);
        Other -> answer(Other)
    end.

answer(ok) -> "ok";
answer({ok, _}) -> "ok";
answer({error, {already_started, _}}) -> "already_started";
answer({error, Reason}) when is_atom(Reason) -> atom_to_list(Reason);
answer({error, {shutdown, {failed_to_start_child, Id, _}}}) -> "failed " ++ Id;
answer({error, {broken, _}}) -> "broken";
answer({error, _}) -> "refused".

name(undefined) -> "child";
name(Id) -> Id.

state(Pid) when is_pid(Pid) -> up;
state(undefined) -> down;
state(restarting) -> restarting.

spec(Id, Type, Options, #{scribe := Scribe, flags := Flags}) ->
    Manner = case lists:member("stubborn", Options) of true -> stubborn; false -> docile end,
    Inner = lists:member("supervisor", Options),
    Simple = map_get(strategy, Flags) =:= simple_one_for_one,
    Start = case {Inner, Simple} of
        {true, _} -> {?MODULE, start_inner, [Id, Scribe, Manner]};
        {_, true} -> {?MODULE, start_child, [Scribe, Manner, simple]};
        _ -> {?MODULE, start_child, [Scribe, Manner, Id]}
    end,
    Spec = #{id => Id, start => Start, restart => list_to_atom(Type), type => case Inner of true -> supervisor; false -> worker end},
    Spec2 = case lists:member("significant", Options) of true -> Spec#{significant => true}; false -> Spec end,
    case [Limit || "shutdown=" ++ Limit <- Options] of
        [] -> Spec2;
        ["brutal"] -> Spec2#{shutdown => brutal_kill};
        ["infinity"] -> Spec2#{shutdown => infinity};
        [Ms] -> Spec2#{shutdown => list_to_integer(Ms)}
    end.

%% ---- who starts the supervisor, and is told how it ends

top(Main, Flags, Specs, Scribe) ->
    process_flag(trap_exit, true),
    case supervisor:start_link(?MODULE, {Flags, Specs}) of
        {ok, Sup} ->
            put(sup, Sup),
            Main ! {started, "ok"},
            top_loop(Sup, Scribe);
        Error ->
            Main ! {started, answer(Error)}
    end.

top_loop(Sup, Scribe) ->
    receive
        {sup, From} ->
            From ! {sup, case is_process_alive(Sup) of true -> Sup; false -> gone end},
            top_loop(Sup, Scribe);
        {stop, Sup, From} ->
            exit(Sup, shutdown),
            receive {'EXIT', Sup, _} -> ok end,
            From ! stopped,
            top_loop(Sup, Scribe);
        {'EXIT', Sup, Reason} ->
            call(Scribe, {note, lists:flatten(io_lib:format("ended:~p", [Reason]))}),
            top_loop(Sup, Scribe)
    end.

sup(none) -> gone;
sup(Top) ->
    case is_process_alive(Top) of
        false -> gone;
        true -> Top ! {sup, self()}, receive {sup, Sup} -> Sup end
    end.

init({Flags, Specs}) -> {ok, {Flags, Specs}}.

%% ---- children

start_inner(Id, Scribe, Manner) ->
    Worker = Id ++ ".w",
    Flags = #{intensity => 0, period => 5},
    supervisor:start_link(?MODULE, {Flags, [#{id => Worker, start => {?MODULE, start_child, [Scribe, Manner, Worker]}}]}).

start_child(Scribe, Manner, simple, Id) -> start_child(Scribe, Manner, Id).

start_child(Scribe, Manner, Id) -> proc_lib:start_link(?MODULE, child, [self(), Scribe, Manner, Id]).

child(Parent, Scribe, Manner, Id) ->
    process_flag(trap_exit, true),
    case call(Scribe, {start, Id, self()}) of
        fail -> proc_lib:init_ack({error, broken});
        crawl -> timer:sleep(60), proc_lib:init_ack({error, broken});
        ok -> proc_lib:init_ack({ok, self()}), child_loop(Parent, Scribe, Manner, Id)
    end.

child_loop(Parent, Scribe, Manner, Id) ->
    receive
        {finish, Reason} -> exit(Reason);
        {'EXIT', Parent, _} when Manner =:= stubborn -> timer:sleep(infinity);
        {'EXIT', Parent, Reason} -> call(Scribe, {note, "-" ++ Id}), exit(Reason)
    end.

finish_child(gone, _) -> "gone";
finish_child(Pid, How) ->
    Monitor = monitor(process, Pid),
    case reason(list_to_atom(How)) of
        kill -> exit(Pid, kill);
        Reason -> Pid ! {finish, Reason}
    end,
    receive {'DOWN', Monitor, _, _, _} -> "ok" end.

reason(shutdown_x) -> {shutdown, x};
reason(crash) -> crashed;
reason(Other) -> Other.

%% ---- the scribe: who lives (Id => {Pid, Monitor}), what happened (latest first), whose starts fail

scribe(Living, Trail, Broken) ->
    receive
        {ask, Ask, From, Ref} ->
            {Living2, Trail2} = killed(Living, Trail),
            {Answer, Living3, Trail3, Broken2} = note(Ask, Living2, Trail2, Broken),
            From ! {Ref, Answer},
            scribe(Living3, Trail3, Broken2)
    end.

%% Whoever is dead by now has sent 'DOWN', or is about to: in the order in which they come.
killed(Living, Trail) ->
    case [Pid || {Pid, _} <- maps:values(Living), not is_process_alive(Pid)] of
        [] -> {Living, Trail};
        _ ->
            receive
                {'DOWN', _, _, Pid, Reason} ->
                    [Id] = [Id || {Id, {Dead, _}} <- maps:to_list(Living), Dead =:= Pid],
                    killed(maps:remove(Id, Living), case Reason of killed -> ["~" ++ Id | Trail]; _ -> Trail end)
            end
    end.

note(trail, Living, Trail, Broken) -> {lists:reverse(Trail), Living, [], Broken};
note({where, Id}, Living, Trail, Broken) -> {element(1, maps:get(Id, Living, {gone})), Living, Trail, Broken};
note({note, What}, Living, Trail, Broken) -> {ok, Living, [What | Trail], Broken};
note({break, Id, Count}, Living, Trail, Broken) -> {ok, Living, Trail, Broken#{Id => Count}};
note({start, Id, Pid}, Living, Trail, Broken) ->
    case maps:get(Id, Broken, 0) of
        0 -> {ok, Living#{Id => {Pid, monitor(process, Pid)}}, ["+" ++ Id | Trail], Broken};
        crawl -> {crawl, Living, Trail, Broken};
        Count -> {fail, Living, ["!" ++ Id | Trail], Broken#{Id := Count - 1}}
    end.

call(Scribe, Ask) ->
    Ref = make_ref(),
    Scribe ! {ask, Ask, self(), Ref},
    receive {Ref, Answer} -> Answer end.
