"""The departures on Kafka: `python on_kafka.py COMMAND BROKER`, with confluent-kafka and nothing else.

    create   the topic, with three partitions
    produce  lines of JSON from a file, keyed by the aircraft: what one aircraft did stays in order
    consume  as a member of a group: process a message, which here is to append it to a file, and commit its offset
    lag      how many messages the group has not committed, by partition, for Prometheus

BROKER is HOST:PORT. Run here on an alpha broker, it uses nothing that another would not understand.
"""

import argparse
import contextlib
import json
import os
import signal
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

TOPIC, PARTITIONS = "departures", 3


def create(arguments):
    admin = AdminClient(settings(arguments))
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)


def produce(arguments):
    # A message a batch: Tansu 0.6 counts batches where it says how long a partition is, and the lag would be too small.
    producer = Producer(settings(arguments) | {"batch.num.messages": 1, "enable.idempotence": True})
    begun = time.monotonic()
    with open(arguments.file, encoding="utf-8") as lines:
        for place, line in enumerate(lines):
            event = json.loads(line)
            producer.produce(TOPIC, key=event["plane"], value=line.strip(), timestamp=1000 * event["arrival"])
            producer.poll(0)
            if arguments.rate:
                time.sleep(max(0.0, begun + (place + 1) / arguments.rate - time.monotonic()))
    producer.flush()


def consume(arguments):
    """Ends on SIGTERM, after the batch at hand, or when nothing has come for `--idle` seconds."""
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    consumer = Consumer(settings(arguments) | {
        "group.id": arguments.group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "session.timeout.ms": round(1000 * arguments.session), "heartbeat.interval.ms": 300})

    def assigned(consumer, partitions):
        for partition in partitions:
            if arguments.replay:
                partition.offset = OFFSET_BEGINNING
        consumer.assign(partitions)
        print("assigned", *sorted(partition.partition for partition in partitions), flush=True)

    consumer.subscribe([TOPIC], on_assign=assigned)
    processed, heard = 0, None
    with open(arguments.out, "a", encoding="utf-8") as out:
        while not stopping:
            batch = [message for message in consumer.consume(arguments.batch, 0.2) if not message.error()]
            if batch and arguments.commit == "before":
                commit(consumer, batch)
            for message in batch:
                time.sleep(arguments.cost)
                out.write(message.value().decode() + "\n")
                out.flush()
                processed += 1
                if processed == arguments.die_after:
                    os.kill(os.getpid(), signal.SIGKILL)
            if batch and arguments.commit == "after":
                commit(consumer, batch)
            now = time.monotonic()
            heard = now if batch or (heard is None and consumer.assignment()) else heard
            if arguments.idle and heard and now - heard > arguments.idle:
                break
    consumer.close()  # leaves the group: the others take over at once


def commit(consumer, batch):
    after = {message.partition(): message.offset() + 1 for message in batch}
    offsets = [Partition(TOPIC, partition, offset) for partition, offset in after.items()]
    try:
        consumer.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:  # the partition is another's by now, who gets the same messages again
        print("not committed:", error.args[0].name(), flush=True)


def lag(arguments):
    """One look, or with `--every` one after the other: seconds since the start and a lag for each partition."""
    admin, begun = AdminClient(settings(arguments)), time.monotonic()
    while True:
        found = lags(admin, arguments.group)
        if not arguments.every:
            print("# TYPE kafka_consumergroup_lag gauge")
            for partition, behind in found.items():
                print(f'kafka_consumergroup_lag{{consumergroup="{arguments.group}",topic="{TOPIC}",'
                      f'partition="{partition}"}} {behind}')
            return
        print(json.dumps([round(time.monotonic() - begun, 2), *found.values()]), flush=True)
        time.sleep(arguments.every)


def lags(admin, group):
    """Messages in each partition that the group has not committed, asked from outside the group."""
    partitions = [Partition(TOPIC, number) for number in range(PARTITIONS)]
    ends = admin.list_offsets({partition: OffsetSpec.latest() for partition in partitions})
    asked, = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, partitions)]).values()
    committed = {}
    with contextlib.suppress(KafkaException):  # a group that nobody has joined yet
        committed = {found.partition: max(found.offset, 0) for found in asked.result(10).topic_partitions}
    return {partition.partition: end.result(10).offset - committed.get(partition.partition, 0)
            for partition, end in ends.items()}


def settings(arguments):
    return {"bootstrap.servers": arguments.broker, "log_level": 2}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    chosen = {function.__name__: commands.add_parser(function.__name__) for function in (create, produce, consume, lag)}
    for command in chosen.values():
        command.add_argument("broker", metavar="HOST:PORT")
    for name in ("consume", "lag"):
        chosen[name].add_argument("--group", default="counter")
    chosen["produce"].add_argument("file", help="a line of JSON each, with `plane` and `arrival`")
    chosen["produce"].add_argument("--rate", type=float, help="messages a second (default: as fast as it goes)")
    command = chosen["consume"]
    command.add_argument("out", help="the file that stands for the result of processing")
    command.add_argument("--commit", choices=["before", "after"], default="after", help="processing (default after)")
    command.add_argument("--batch", type=int, default=20, help="messages between two commits (default 20)")
    command.add_argument("--cost", type=float, default=0.0, help="seconds that processing a message takes")
    command.add_argument("--session", type=float, default=6.0, help="seconds of silence until the group gives a member "
                         "up (default 6, the least that Kafka's own broker takes)")
    command.add_argument("--idle", type=float, help="end when nothing has come for so many seconds")
    command.add_argument("--replay", action="store_true", help="begin at the beginning, whatever is committed")
    command.add_argument("--die-after", type=int, help="messages; then this process is killed")
    chosen["lag"].add_argument("--every", type=float, help="seconds between two looks")
    arguments = parser.parse_args(argv)
    {"create": create, "produce": produce, "consume": consume, "lag": lag}[arguments.command](arguments)


if __name__ == "__main__":
    main()
