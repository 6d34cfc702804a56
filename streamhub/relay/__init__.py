"""Past one host: NATS JetStream carries the lines, and every edge serves the same offsets.

The file stays the interface on both ends: ``push`` reads the origin's files as any reader does, ``pull`` appends to
the edge's, and ``serve`` knows of neither. Replication, storage and consensus are JetStream's; here is only what ties
a byte of a file to a message.

Piece
    What one message carries: a run of bytes exactly as they stand in the file, with its offset
    (``<generation>_<byte>``, the token that clients use too) and a digest in the headers. Whole lines, as many as fit;
    only a line that is longer than a message may be is cut, and then a piece is a part of a line. An edge's file then
    ends in a torn line until the rest is there, which readers do not see, as they see no torn line at the origin.

Subject
    ``streamhub.<id>``, the id as a single token: its dots are written ``=``, which no id can hold, so the way back is
    plain, ``a..b`` and ``a.`` need no special case, and ``streamhub.*`` is all streams. Globs are matched against ids.

Position
    Nowhere but in JetStream and in the files. A pusher asks for the last message of each subject (headers only, one
    consumer for all of them) and reads on where that piece ends, after it has compared the piece with the file: another
    generation, a shorter file or other bytes are reported, and nothing is pushed over them. Each message says which
    sequence the one before it on its subject has (``Nats-Expected-Last-Subject-Sequence``), so whatever is repeated,
    late, or another pusher's is refused by JetStream for ever, where its window for duplicates protects for two
    minutes. Who is refused asks for the last message again, and goes on if that is a piece of the same file. So one
    message of a stream is under way at a time, and as many streams as ``IN_FLIGHT`` allows; lines that come meanwhile
    make the next piece larger.

Edge
    A piece is appended only if its offset is the file's size. One that lies below is compared with the bytes that are
    there, one that lies half below (the machine stopped in the middle of a write) is compared and completed, one that
    lies above is left and the stream is read again from its own place. What differs is refused, reported and never
    overwritten. There is no acknowledgement and no consumer that outlives the process: the size is the position, so
    what was not written is asked for again, and fsync would guard nothing that JetStream does not hold. A file that a
    crash of the machine left with other bytes than it should have is found by the digest when the puller starts.

Where to start
    After a restart most of a thousand streams stand at their end, which the digest of their last piece shows without
    carrying its bytes. One that lacks something is looked up by bisection over JetStream's sequences ("the first on
    this subject at or after n"). A few are then read each by a consumer of its own beside the common one; if there are
    many, the common one starts at the smallest sequence that any of them needs: that a stream needs nothing before a
    given sequence, one message shows, so a thousand cost a request each, and a search for every new minimum, of which
    there are about seven.
"""
