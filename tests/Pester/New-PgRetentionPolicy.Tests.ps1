BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'New-PgRetentionPolicy' {
    It 'emits the policy as it was given, and prints as a list' {
        $policy = New-PgRetentionPolicy -KeepDaily 7 -KeepMonthly 12 -PointInTimeWindow '7.00:00:00' -TimeZone Europe/Berlin
        $policy.KeepDaily | Should -Be 7
        $policy.KeepLast | Should -BeNullOrEmpty
        $policy.PointInTimeWindow | Should -BeOfType ([timespan])
        $policy.MinimumCount | Should -Be 1
        $policy | Out-String | Should -Match '(?m)^TimeZone\s+: Europe/Berlin'
        "$policy" | Should -Be '7 daily, 12 monthly, at least 1, any moment of the last 7.00:00:00'
    }

    It 'refuses a policy that keeps nothing, and a time zone that is not there' {
        { New-PgRetentionPolicy -PointInTimeWindow '7.00:00:00' } | Should -Throw -ErrorId 'InvalidArgument,*'
        { New-PgRetentionPolicy -KeepLast 1 -TimeZone Atlantis/Capital } | Should -Throw -ExpectedMessage '*Atlantis/Capital*'
        { New-PgRetentionPolicy -KeepLast 1 -KeepFor '-1.00:00:00' } | Should -Throw -ErrorId 'InvalidArgument,*'
        { New-PgRetentionPolicy -KeepLast -1 } | Should -Throw
        { New-PgRetentionPolicy -KeepLast 1 -MinimumCount 0 } | Should -Throw
    }
}
